/**
 * The core's operations, each a dispatch of its own: for what the kernels of `createOptimizer` do not do, such as shards
 * on several devices or a transform of one's own. It is how the conformance suite looks at this package's arithmetic.
 */

import type { Scalar, TensorOps } from '@vradam/core';
import { fail } from './errors.ts';
import { lesser } from './kernels/kernel.ts';
import { total, totalSize } from './kernels/total.ts';
import { powerOf } from './ops.ts';
import { copySource, copyTarget, storage } from './platform.ts';
import { Readback } from './readback.ts';

/** A tensor or, with shape [], a scalar on a device. */
export interface DeviceTensor {
  /** Its numbers, and what fills up to a multiple of 16 bytes. */
  readonly buffer: GPUBuffer;
  readonly shape: readonly number[];
  readonly elements: number;
}

/** The operations, and the number of tensors alive. */
export interface DeviceOps extends TensorOps<DeviceTensor, DeviceTensor> {
  liveTensors(): number;
}

const size = 64;
const usage = storage | copySource | copyTarget;
const bytesOf = (elements: number): number => 16 * Math.max(1, Math.ceil(elements / 4));
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Buffers and dispatches of {@link createWebGPUOps}. */
class Workshop {
  readonly device: GPUDevice;
  readonly live = new Set<DeviceTensor>();
  #temporaries: Set<DeviceTensor> | null = null;
  readonly #pipelines = new Map<string, GPUComputePipeline>();

  constructor(device: GPUDevice) {
    this.device = device;
  }

  make(shape: readonly number[], data?: ArrayLike<number>): DeviceTensor {
    const elements = sizeOf(shape);
    const buffer = this.device.createBuffer({ size: bytesOf(elements), usage });
    if (data && elements > 0) this.device.queue.writeBuffer(buffer, 0, Float32Array.from(data));
    const tensor = { buffer, shape: [...shape], elements };
    this.live.add(tensor);
    return tensor;
  }

  temporary(tensor: DeviceTensor): DeviceTensor {
    this.#temporaries?.add(tensor);
    return tensor;
  }

  /** A tensor that lives on after its scope. */
  keep(tensor: DeviceTensor): DeviceTensor {
    this.#temporaries?.delete(tensor);
    return tensor;
  }

  release(tensor: DeviceTensor): void {
    if (!this.live.delete(tensor)) fail('ERR_DISPOSED', 'a tensor was released twice.');
    this.keep(tensor).buffer.destroy();
  }

  tidy<R>(scope: () => R): R {
    const outer = this.#temporaries;
    const own = new Set<DeviceTensor>();
    this.#temporaries = own;
    try {
      const result = scope();
      for (const kept of [result].flat()) own.delete(kept as DeviceTensor);
      return result;
    } finally {
      this.#temporaries = outer;
      for (const tensor of own) this.release(tensor);
    }
  }

  #pipeline(code: string): GPUComputePipeline {
    const made =
      this.#pipelines.get(code) ??
      this.device.createComputePipeline({
        layout: 'auto',
        compute: { module: this.device.createShaderModule({ code }), entryPoint: 'main' },
      });
    this.#pipelines.set(code, made);
    return made;
  }

  /** Runs a kernel over buffers, the last of which is written to. */
  run(code: string, tensors: readonly DeviceTensor[], workgroups: number): void {
    for (const tensor of tensors)
      if (!this.live.has(tensor)) fail('ERR_DISPOSED', 'a tensor was used after its release.');
    const pipeline = this.#pipeline(code);
    const entries = tensors.map(({ buffer }, binding) => ({ binding, resource: { buffer } }));
    const bindGroup = this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }
}

/** Bindings `x0`, `x1`, ... of what is read, the first of them scalars, and `result`. */
const bindings = (scalars: number, tensors: number, element: string): string =>
  [
    ...Array.from({ length: scalars + tensors }, (_, i) => {
      const type = i < scalars ? 'f32' : element;
      return `@group(0) @binding(${i}) var<storage, read> x${i}: array<${type}>;`;
    }),
    `@group(0) @binding(${scalars + tensors}) var<storage, read_write> result: array<${element}>;`,
  ].join('\n');

type Operand = Scalar<DeviceTensor>;
type Code = (...operands: string[]) => string;

/** Operations that a kernel is written for. */
class Kernels {
  readonly #shop: Workshop;

  constructor(shop: Workshop) {
    this.#shop = shop;
  }

  /** Runs a kernel over scalars and tensors; host numbers go by a buffer each, so that they are not part of its text. */
  #run(
    code: string,
    scalars: readonly Operand[],
    tensors: readonly DeviceTensor[],
    shape: readonly number[],
    threads: number,
  ) {
    const shop = this.#shop;
    const lifted = scalars.map((x) => (typeof x === 'number' ? shop.make([], [x]) : x));
    const result = shop.temporary(shop.make(shape));
    shop.run(code, [...lifted, ...tensors, result], Math.ceil(threads / size));
    for (const [i, x] of lifted.entries()) if (typeof scalars[i] === 'number') shop.release(x);
    return result;
  }

  /** A scalar of scalars. */
  scalar(code: Code, ...scalars: readonly Operand[]): DeviceTensor {
    const text = code(...scalars.map((_, i) => `x${i}[0]`));
    const kernel = `${bindings(scalars.length, 0, 'f32')}
${text.includes('lesser(') ? lesser : ''}
@compute @workgroup_size(1) fn main() { result[0] = ${text}; }`;
    return this.#run(kernel, scalars, [], [], 1);
  }

  /** A tensor of scalars, which come first, and tensors of one shape. */
  tensor(
    code: Code,
    scalars: readonly Operand[],
    ...tensors: readonly [DeviceTensor, ...DeviceTensor[]]
  ): DeviceTensor {
    const names = [...scalars, ...tensors].map((_, i) => (i < scalars.length ? `x${i}[0]` : `x${i}[i]`));
    const kernel = `${bindings(scalars.length, tensors.length, 'vec4f')}
@compute @workgroup_size(${size}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i < arrayLength(&result)) { result[i] = ${code(...names)}; }
}`;
    const [{ shape, elements }] = tensors;
    return this.#run(kernel, scalars, tensors, shape, bytesOf(elements) / 16);
  }

  /** The sum of all elements' powers, in one workgroup. Their number is no part of the text: to compile takes long. */
  sumPower(x: DeviceTensor, power: number): DeviceTensor {
    const kernel = `${bindings(1, 1, 'f32')}
var<workgroup> partials: array<f32, ${totalSize}>;
${total}
@compute @workgroup_size(${totalSize}) fn main(@builtin(local_invocation_index) lane: u32) {
  let end = bitcast<u32>(x0[0]);
  var sum = 0f;
  for (var i = lane; i < end; i += ${totalSize}u) { sum += ${powerOf(power)('x1[i]')}; }
  partials[lane] = sum;
  workgroupBarrier();
  let whole = total(lane, 0u, ${totalSize}u);
  if (lane == 0u) { result[0] = whole; }
}`;
    const [bits] = new Float32Array(Uint32Array.of(x.elements).buffer);
    return this.#run(kernel, [bits as number], [x], [], 1);
  }
}

/**
 * Operations on a device.
 *
 * Ownership: as the core says; `dispose` destroys the buffer.
 */
export function createWebGPUOps(device: GPUDevice): DeviceOps {
  const shop = new Workshop(device);
  const kernels = new Kernels(shop);
  const readback = new Readback(device);
  const read = async ({ buffer, elements }: DeviceTensor): Promise<Float32Array> => {
    const [bytes] = await readback.read([{ buffer, offset: 0, bytes: 4 * elements }]);
    return new Float32Array(bytes as ArrayBuffer);
  };
  return {
    name: 'webgpu',
    dtype: 'float32',
    liveTensors: () => shop.live.size,
    scalars: {
      of: (value) => shop.temporary(shop.make([], [value])),
      add: (a, b) => kernels.scalar((x, y) => `${x} + ${y}`, a, b),
      mul: (a, b) => kernels.scalar((x, y) => `${x} * ${y}`, a, b),
      div: (a, b) => kernels.scalar((x, y) => `${x} / ${y}`, a, b),
      min: (a, b) => kernels.scalar((x, y) => `lesser(${x}, ${y})`, a, b),
      sqrt: (a) => kernels.scalar((x) => `sqrt(${x})`, a),
      sum: (terms) =>
        terms.reduce<Operand>(
          (sum, term) => kernels.scalar((x, y) => `${x} + ${y}`, sum, term),
          0,
        ) as DeviceTensor,
    },
    fromArray: (data, shape) => shop.make(shape, data),
    toArray: read,
    readScalar: async (x) => (await read(x))[0] as number,
    shape: ({ shape }) => shape,
    zerosLike: ({ shape }) => shop.make(shape),
    axpby: (a, x, b, y) => kernels.tensor((a, b, x, y) => `${a} * ${x} + ${b} * ${y}`, [a, b], x, y),
    affine: (a, x, b) => kernels.tensor((a, b, x) => `${a} * ${x} + ${b}`, [a, b], x),
    mul: (x, y) => kernels.tensor((x, y) => `${x} * ${y}`, [], x, y),
    div: (x, y) => kernels.tensor((x, y) => `${x} / ${y}`, [], x, y),
    sqrt: (x) => kernels.tensor((x) => `sqrt(${x})`, [], x),
    sumPower: (x, power) => kernels.sumPower(x, power),
    replace(previous, next) {
      shop.release(previous);
      return shop.keep(next);
    },
    tidy: (scope) => shop.tidy(scope),
    dispose: (x) => shop.release(x),
  };
}
