// A multi-layer perceptron in WGSL, trained on the GPU: forward, backward and the optimizer in one command buffer.
// Two interleaved half moons go in; which of them a point belongs to comes out.

import { createOptimizer, vradam } from '@vradam/webgpu';

const points = 256;
const hidden = 16;

/** x, y and class of each point, as one vec4f. */
function halfMoons() {
  return Float32Array.from({ length: 4 * points }, (_, i) => {
    const point = i >> 2;
    const moon = point % 2;
    const angle = (Math.PI * point) / points;
    const wobble = 0.1 * Math.sin(37 * point);
    const x = moon === 0 ? Math.cos(angle) : 1 - Math.cos(angle);
    const y = moon === 0 ? Math.sin(angle) : 0.5 - Math.sin(angle);
    return [x + wobble, y - wobble, moon, 0][i & 3];
  });
}

/** Numbers that look random and are the same in every run. */
const noise = (length, seed, scale) =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(12.9898 * (i + 1) * (seed + 1)));

const data = '@group(0) @binding(0) var<storage, read> data: array<vec4f>;';

/** One invocation for each point: hidden units, then the error of the output, then the loss. */
const forward = `${data}
@group(0) @binding(1) var<storage, read_write> units: array<f32>;
@group(0) @binding(2) var<storage, read_write> errors: array<vec2f>;
@group(0) @binding(3) var<storage, read> weight1: array<vec2f>;
@group(0) @binding(4) var<storage, read> bias1: array<f32>;
@group(0) @binding(5) var<storage, read> weight2: array<f32>;
@group(0) @binding(6) var<storage, read> bias2: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let point = data[id.x];
  var z = bias2[0];
  for (var j = 0u; j < ${hidden}u; j++) {
    let unit = tanh(dot(weight1[j], point.xy) + bias1[j]);
    units[id.x * ${hidden}u + j] = unit;
    z += weight2[j] * unit;
  }
  let probability = 1 / (1 + exp(-z));
  let loss = -log(max(1e-6, select(1 - probability, probability, point.z == 1)));
  errors[id.x] = vec2f(probability - point.z, loss);
}`;

/** One invocation for each hidden unit: the gradients of its weights, as means over the points. */
const backward = `${data}
@group(0) @binding(1) var<storage, read> units: array<f32>;
@group(0) @binding(2) var<storage, read> errors: array<vec2f>;
@group(0) @binding(3) var<storage, read> weight2: array<f32>;
@group(0) @binding(4) var<storage, read_write> weight1Gradient: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> bias1Gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> weight2Gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> bias2Gradient: array<f32>;
@compute @workgroup_size(${hidden})
fn main(@builtin(local_invocation_index) j: u32) {
  var toWeight1 = vec2f();
  var toBias1 = 0f;
  var toWeight2 = 0f;
  var toBias2 = 0f;
  for (var i = 0u; i < ${points}u; i++) {
    let unit = units[i * ${hidden}u + j];
    let error = errors[i].x / ${points};
    let inner = error * weight2[j] * (1 - unit * unit);
    toWeight1 += inner * data[i].xy;
    toBias1 += inner;
    toWeight2 += error * unit;
    toBias2 += error;
  }
  weight1Gradient[j] = toWeight1;
  bias1Gradient[j] = toBias1;
  weight2Gradient[j] = toWeight2;
  if (j == 0) { bias2Gradient[0] = toBias2; }
}`;

/** A kernel bound to buffers, or to parts of them, in the order of its bindings. */
function bind(device, code, resources) {
  const compute = { module: device.createShaderModule({ code }) };
  const pipeline = device.createComputePipeline({ layout: 'auto', compute });
  const entries = resources.map((resource, binding) => ({ binding, resource }));
  return { pipeline, bindGroup: device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }) };
}

function dispatch(pass, { pipeline, bindGroup }, workgroups) {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(workgroups);
}

/** Reads the mean loss and the share of points that are on the right side. */
async function evaluate(device, errors) {
  const staging = device.createBuffer({ size: 8 * points, usage: 1 | 8 }); // MAP_READ, COPY_DST
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(errors, 0, staging, 0, 8 * points);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const pairs = [...new Float32Array(staging.getMappedRange())];
  staging.destroy();
  const errorOf = pairs.filter((_, i) => i % 2 === 0);
  const loss = pairs.filter((_, i) => i % 2 === 1).reduce((sum, x) => sum + x, 0) / points;
  return { loss, accuracy: errorOf.filter((error) => Math.abs(error) < 0.5).length / points };
}

/**
 * Trains, and reports every 50 steps; in between nothing is read.
 *
 * @param {GPUDevice} device
 * @param {(report: { step: number, loss: number, accuracy: number, effectiveLearningRate: number }) => void} report
 */
export async function train(device, report, steps = 300) {
  const make = (size, usage) => device.createBuffer({ size, usage });
  const samples = make(16 * points, 0x80 | 8); // STORAGE, COPY_DST
  device.queue.writeBuffer(samples, 0, halfMoons());
  const units = make(4 * points * hidden, 0x80);
  const errors = make(8 * points, 0x80 | 4); // STORAGE, COPY_SRC

  const optimizer = await createOptimizer(device, vradam({ learningRate: 0.05 }), {
    weight1: { data: noise(2 * hidden, 1, 1), shape: [hidden, 2] },
    bias1: noise(hidden, 2, 0.1),
    weight2: noise(hidden, 3, 0.5),
    bias2: new Float32Array(1),
  });
  const { parameters, gradients } = optimizer;
  const { weight1, bias1, weight2, bias2 } = parameters; // views of the arena, which any shader can bind
  const buffers = [samples, units, errors].map((buffer) => ({ buffer }));
  const ahead = bind(device, forward, [...buffers, weight1, bias1, weight2, bias2]);
  const back = bind(device, backward, [
    ...buffers,
    weight2,
    gradients.weight1,
    gradients.bias1,
    gradients.weight2,
    gradients.bias2,
  ]);

  for (let step = 1; step <= steps; step++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    dispatch(pass, ahead, points / 64);
    dispatch(pass, back, 1);
    pass.end();
    optimizer.encode(encoder);
    device.queue.submit([encoder.finish()]);
    if (step % 50 !== 0) continue;
    const { groups } = await optimizer.stats();
    const { effectiveLearningRate } = groups[0];
    report({ step, effectiveLearningRate, ...(await evaluate(device, errors)) });
  }
  optimizer.destroy();
}
