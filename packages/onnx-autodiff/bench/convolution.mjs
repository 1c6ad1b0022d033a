// Measures the forms that gradients of convolutions and poolings may have, and marks those that src/operators chooses:
// onnxruntime-node, CPU ms on one thread, the least of several runs.
// Run after `npm run build`: node bench/convolution.mjs > bench/convolution.txt

import * as ort from 'onnxruntime-node';
import { backward, buildModel, encodeModel, GraphBuilder } from '../dist/index.js';
import { imageForm, kernelForm, tilesPay } from '../dist/operators/convCost.js';
import { imageGradient } from '../dist/operators/convImage.js';
import { kernelGradient } from '../dist/operators/convKernel.js';
import { inTiles } from '../dist/operators/convWinograd.js';
import { known } from '../dist/operators/correlation.js';
import { maxPoolGradient } from '../dist/operators/maxPool.js';
import { repeated } from '../dist/operators/repeat.js';
import { spreadMeans } from '../dist/operators/spread.js';
import { windowsOf } from '../dist/operators/windows.js';

const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 };
const least = { runs: 6, ms: 2500 };

const random = (shape) =>
  new ort.Tensor(
    'float32',
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.random() - 0.5),
    shape,
  );

/** CPU ms of each of several graphs, in turns, so that a busy machine slows all of them. */
async function measure(forms, feeds, build) {
  const runs = [];
  for (const form of forms) {
    const g = new GraphBuilder();
    const values = Object.fromEntries(
      Object.entries(feeds).map(([name, { dims }]) => [name, g.input(name, 'float32', dims)]),
    );
    // one image of it, so that handing it out costs nothing
    for (const [i, value] of build(g, values, form).entries())
      g.output(`result.${i}`, g.slice(value, [0], [1], [0]));
    const model = buildModel(g, { keepInputs: () => false });
    const session = await ort.InferenceSession.create(encodeModel(model), options);
    const given = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
    runs.push({ form, session, given, ms: Number.POSITIVE_INFINITY });
  }
  const begin = performance.now();
  for (let i = 0; i < least.runs || (i < 40 && performance.now() - begin < least.ms); i++) {
    for (const run of runs) {
      const before = process.cpuUsage();
      await run.session.run(run.given);
      const { user, system } = process.cpuUsage(before);
      if (i > 0) run.ms = Math.min(run.ms, (user + system) / 1000);
    }
  }
  for (const { session } of runs) await session.release();
  return new Map(runs.map(({ form, ms }) => [form, ms]));
}

/** One line: times, the choice marked, and how much longer it takes than the best. */
function print(name, times, chosen) {
  const excess = times.get(chosen) / Math.min(...times.values());
  const cells = [...times].map(([form, ms]) => `${form === chosen ? '*' : ''}${form} ${ms.toFixed(2)}`);
  console.log(`${name.padEnd(30)} ${excess.toFixed(2)}  ${cells.join('  ')}`);
  return excess;
}

/** Batch, channels, outputs, size, kernel, stride, pad, groups. */
const convolutions = `
  64 1 8 28 3 1 1 1,     64 1 32 28 3 1 1 1,    64 3 8 32 3 1 1 1,      64 3 64 32 3 1 1 1,     64 4 4 32 3 1 1 1
  64 8 8 32 3 1 1 1,     64 8 16 16 3 1 1 1,    64 16 16 32 3 1 1 1,    64 16 16 8 3 1 1 1,     64 16 32 16 3 1 1 1
  64 32 16 16 3 1 1 1,   64 32 32 16 3 1 1 1,   64 32 64 8 3 1 1 1,     32 64 64 32 3 1 1 1,    64 64 64 8 3 1 1 1
  64 64 128 8 3 1 1 1,   32 128 128 16 3 1 1 1, 32 256 256 8 3 1 1 1,   8 64 64 56 3 1 1 1,     64 1 6 28 5 1 2 1
  64 6 16 14 5 1 0 1,    64 16 32 14 5 1 2 1,   32 3 32 32 5 1 2 1,     4 3 64 112 7 2 3 1,     32 16 32 32 3 2 1 1
  32 64 128 16 3 2 1 1,  32 64 128 16 1 2 0 1,  32 64 64 32 1 1 0 1,    32 16 96 16 1 1 0 1,    32 256 256 8 1 1 0 1
  16 512 128 7 1 1 0 1,  32 64 128 16 2 2 0 1,  8 3 192 64 8 8 0 1,     32 64 10 4 4 1 0 1,     32 32 32 32 3 1 1 32
  32 64 64 32 3 2 1 64,  32 64 128 16 3 1 1 64, 32 64 64 16 3 1 1 8`
  .split(/[,\n]/)
  .filter((line) => line.trim() !== '')
  .map((line) => line.trim().split(/\s+/).map(Number));

const excesses = { kernel: [], image: [], both: [] };
for (const which of ['kernel', 'image']) {
  console.log(`\nConv, gradient by its ${which}: chosen form / fastest form, CPU ms`);
  for (const [batch, channels, outputs, size, k, s, pad, group] of convolutions) {
    const count = Math.floor((size + 2 * pad - k) / s) + 1;
    const shape = [outputs, channels / group, k, k];
    const feeds = {
      x: random([batch, channels, size, size]),
      w: random(shape),
      dy: random([batch, outputs, count, count]),
    };
    const attributes = { strides: [s, s], pads: [pad, pad, pad, pad], group };
    const isKernel = which === 'kernel';
    const dense = [
      'taps',
      s === 1 && k > 1 && ['shifts', 'rows'],
      k > 1 && (k === s || count === 1) && 'patches',
    ];
    const kernelForms = [
      'conv',
      'columns',
      group === 1 ? dense : group === channels && outputs === group && 'products',
    ];
    const imageForms = ['transposed', s === 1 && 'turned'];
    const forms = (isKernel ? kernelForms : imageForms).flat(2).filter(Boolean);
    if (forms.length < 2) continue;
    let chosen;
    const times = await measure(forms, feeds, (g, { x, w, dy }, form) => {
      const { node } = g.conv(x, w, undefined, attributes);
      const correlation = { windows: windowsOf(node, [size, size], [k, k]), group };
      chosen = isKernel
        ? kernelForm(known(correlation, shape))
        : imageForm(shape, group, { dx: size ** 2, dy: count ** 2 });
      return [
        isKernel
          ? kernelGradient(g, x, dy, w, correlation, form)
          : imageGradient(g, dy, w, x, correlation, form),
      ];
    });
    const name = `${batch}, ${channels} -> ${outputs}, ${size}, k${k} s${s}${group > 1 ? ` g${group}` : ''}`;
    excesses[which].push(print(name, times, chosen));
  }
}

console.log('\nConv, forward and both gradients: chosen form / fastest form, CPU ms');
for (const [batch, channels, outputs, size, k, s, pad, group] of convolutions) {
  if (s > 1 || k < 2 || k > 5 || group > 1) continue;
  const count = size + 2 * pad - k + 1;
  const shape = [outputs, channels, k, k];
  const feeds = {
    x: random([batch, channels, size, size]),
    w: random(shape),
    dy: random([batch, outputs, count, count]),
  };
  let chosen;
  const times = await measure(['direct', 'tiles'], feeds, (g, { x, w, dy }, form) => {
    const direct = g.conv(x, w, undefined, { pads: [pad, pad, pad, pad] });
    const windows = windowsOf(direct.node, [size, size], [k, k]);
    const sizes = known({ windows, group }, shape, batch);
    chosen = tilesPay(sizes, true) ? 'tiles' : 'direct';
    const y = form === 'tiles' ? inTiles(g, x, w, sizes) : direct;
    return [y, ...backward(g, y, [x, w], dy)];
  });
  excesses.both.push(print(`${batch}, ${channels} -> ${outputs}, ${size}, k${k}`, times, chosen));
}

console.log('\nMaxPool, forward and gradient: chosen form / fastest form, CPU ms');
for (const [batch, channels, size, k, s, pad] of [
  [128, 8, 32, 2, 2, 0],
  [64, 64, 32, 2, 2, 0],
  [64, 256, 8, 2, 2, 0],
  [64, 64, 32, 3, 2, 1],
  [32, 64, 56, 3, 2, 1],
  [16, 64, 16, 5, 1, 2],
]) {
  const count = Math.floor((size + 2 * pad - k) / s) + 1;
  const feeds = { x: random([batch, channels, size, size]), dy: random([batch, channels, count, count]) };
  const attributes = { kernel_shape: [k, k], strides: [s, s], pads: [pad, pad, pad, pad] };
  const times = await measure(['taps', 'Indices'], feeds, (g, { x, dy }, form) => {
    if (form === 'taps') {
      const y = g.maxPool(x, attributes);
      const backward = { g, node: y.node, inputs: [x], outputs: [y], dy };
      return [y, maxPoolGradient(backward, windowsOf(y.node, [size, size], [k, k]))];
    }
    const [y, indices] = g.ops('MaxPool', [x], attributes, 2);
    const flat = [indices, dy].map((value) => g.reshape(value, [-1]));
    const zeros = g.expand(g.scalar(0), [batch * channels * size * size]);
    const dx = g.op('ScatterElements', [zeros, ...flat], { axis: 0, reduction: 'add' });
    return [y, g.reshape(dx, [batch, channels, size, size])];
  });
  print(`${batch}, ${channels}, ${size}, k${k} s${s}`, times, 'taps');
}

console.log('\nAveragePool 3 x 3, gradient, and elements repeated 2 x 2: chosen form / fastest form, CPU ms');
for (const [batch, channels, size, s] of [
  [64, 64, 32, 1],
  [64, 64, 32, 2],
  [64, 256, 8, 2],
]) {
  const feeds = {
    x: random([batch, channels, size, size]),
    dy: random([batch, channels, size / s, size / s]),
  };
  const attributes = { kernel_shape: [3, 3], strides: [s, s], pads: [1, 1, 1, 1] };
  const times = await measure(['means', 'transposed convolution'], feeds, (g, { x, dy }, form) => {
    const windows = windowsOf(g.averagePool(x, attributes).node, [size, size], [3, 3]);
    if (form === 'means')
      return [
        spreadMeans(
          g,
          dy,
          x,
          windows,
          windows.map(({ pads }) => pads),
        ),
      ];
    const weight = g.expand(g.scalar(1 / 9), [channels, 1, 3, 3]);
    return [imageGradient(g, dy, weight, x, { windows, group: channels }, 'transposed')];
  });
  print(`AveragePool ${batch}, ${channels}, ${size}, s${s}`, times, 'means');
}
for (const [batch, channels, size] of [
  [64, 64, 16],
  [64, 256, 4],
]) {
  const feeds = { x: random([batch, channels, size, size]) };
  const times = await measure(['Resize', 'Expand', 'Tile'], feeds, (g, { x }, form) => {
    if (form === 'Resize') return [repeated(g, x, [2, 2])];
    const apart = g.reshape(x, [batch * channels, size, 1, size, 1]);
    const repeats = g.ints([1, 1, 2, 1, 2]);
    const wide =
      form === 'Tile'
        ? g.op('Tile', [apart, repeats])
        : g.expand(apart, [batch * channels, size, 2, size, 2]);
    return [g.reshape(wide, [batch, channels, 2 * size, 2 * size])];
  });
  print(`repeat ${batch}, ${channels}, ${size}`, times, 'Resize');
}

const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
console.log(
  `\nMean of chosen / fastest: kernel ${mean(excesses.kernel).toFixed(3)}, image ${mean(excesses.image).toFixed(3)}, both ${mean(excesses.both).toFixed(3)}`,
);
