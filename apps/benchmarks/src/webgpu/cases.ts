/** What is measured on WebGPU: optimizers over layouts, and a copy to hold them against. */

/// <reference lib="dom" />

import {
  adamw,
  clipByGlobalNorm,
  createOptimizer,
  maskWeightDecay,
  type OptimizerSpec,
  type Parameter,
  skipNonFinite,
  subgroups,
  vradam,
  type WebGPUOptions,
} from '@vradam/webgpu';

/** Something that can take a step. */
export interface Contestant {
  readonly name: string;
  /** Bytes that a parameter moves in a step, as designed. */
  readonly bytes: number;
  /** Records a step. */
  encode(encoder: GPUCommandEncoder): void;
  destroy(): void;
}

const usage = 0x80 | 0x8 | 0x4; // STORAGE, COPY_DST, COPY_SRC

const lengths = (elements: number, tensors: number): [name: string, length: number][] =>
  Array.from({ length: tensors }, (_, i) => [
    i % 2 === 0 ? `layer${i}.weight` : `layer${i}.bias`,
    Math.floor(((i + 1) * elements) / tensors) - Math.floor((i * elements) / tensors),
  ]);

/** A kernel that copies as a user would write it: 8 bytes a parameter. */
function openCopy(device: GPUDevice, elements: number): Contestant {
  const [size, items] = [64, 16];
  const code = `@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> destination: array<vec4f>;
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var k = 0u; k < ${items}u; k++) {
    let i = workgroup.x * ${size * items}u + k * ${size}u + lane;
    if (i < arrayLength(&source)) { destination[i] = source[i]; }
  }
}`;
  const bytes = 16 * Math.ceil(elements / 4);
  const buffers = [0, 1].map(() => device.createBuffer({ size: bytes, usage }));
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }) },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return {
    name: 'copy in WGSL',
    bytes: 8,
    encode(encoder) {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(Math.ceil(bytes / 16 / (size * items)));
      pass.end();
    },
    destroy: () => {
      for (const buffer of buffers) buffer.destroy();
    },
  };
}

/** An optimizer over the arena, or over buffers of its user's. */
async function open(
  device: GPUDevice,
  name: string,
  bytes: number,
  spec: OptimizerSpec,
  sizes: readonly (readonly [name: string, length: number])[],
  { own = false, ...options }: WebGPUOptions & { readonly own?: boolean } = {},
): Promise<Contestant> {
  const buffers = (): Record<string, GPUBuffer> =>
    Object.fromEntries(sizes.map(([key, length]) => [key, device.createBuffer({ size: 4 * length, usage })]));
  const arrays = (): [string, Parameter][] =>
    sizes.map(([key, length]) => [key, new Float32Array(length).fill(0.1)]);
  const parameters = own ? buffers() : Object.fromEntries(arrays());
  const optimizer = await createOptimizer(device, spec, parameters, options);
  const gradients = own ? buffers() : optimizer.gradients;
  for (const [key, length] of sizes) {
    const found = gradients[key];
    const [buffer, offset] = found && 'buffer' in found ? [found.buffer, found.offset] : [found, 0];
    device.queue.writeBuffer(buffer as GPUBuffer, offset as number, new Float32Array(length).fill(0.01));
  }
  return {
    name,
    bytes,
    encode: (encoder) => optimizer.encode(encoder, gradients),
    destroy: () => optimizer.destroy(),
  };
}

/** Optimizers over one large tensor, after the copy. */
export const openAlgorithms = async (device: GPUDevice, elements: number): Promise<Contestant[]> => {
  const one = lengths(elements, 1);
  return [
    openCopy(device, elements),
    await open(device, 'AdamW', 28, adamw(), one),
    await open(device, 'VRAdam', 36, vradam(), one),
    await open(device, 'AdamW, skipping', 32, skipNonFinite(adamw()), one),
    await open(device, 'VRAdam, skipping', 36, skipNonFinite(vradam()), one),
    await open(device, 'VRAdam, clipped', 40, clipByGlobalNorm(vradam(), { maxNorm: 1 }), one),
    ...(device.features.has('subgroups')
      ? [await open(device, 'VRAdam, sums by subgroups', 36, vradam(), one, { reduction: subgroups })]
      : []),
  ];
};

/** VRAdam over as many elements in several layouts; the first is one tensor. */
export const openLayouts = async (
  device: GPUDevice,
  elements: number,
  tensors: number,
): Promise<Contestant[]> => [
  await open(device, 'arena, 1 tensor', 36, vradam(), lengths(elements, 1)),
  await open(device, `arena, ${tensors} tensors`, 36, vradam(), lengths(elements, tensors)),
  await open(
    device,
    `arena, ${tensors} tensors, biases without decay`,
    36,
    maskWeightDecay(vradam()),
    lengths(elements, tensors),
  ),
  await open(device, `${tensors} buffers of the user's`, 60, vradam(), lengths(elements, tensors), {
    own: true,
  }),
];
