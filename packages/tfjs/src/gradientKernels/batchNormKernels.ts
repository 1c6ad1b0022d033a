import type { TensorInfo } from '@tensorflow/tfjs-core';
import { forEachChunk } from './channels.ts';
import { asWasmBackend, attributes, floatsOf, input, type KernelParams, makeFloats } from './wasmBackend.ts';

/** Numbers of one channel each. */
type PerChannel = Float32Array | Float64Array;

/**
 * Forward kernel behind `batchNormTraining` on the wasm backend.
 *
 * Inputs `x` [..., channels], `scale` and `offset` [channels], all float32; attribute `epsilon`. Outputs
 * [output, mean, variance], owned by the caller. Statistics are summed in float64.
 */
export function batchNormForward(params: KernelParams): TensorInfo[] {
  const backend = asWasmBackend(params.backend);
  const { epsilon } = attributes<{ epsilon: number }>(params);
  const { shape } = input(params, 'scale');
  const outputs = [input(params, 'x').shape, shape, shape].map((s) => makeFloats(backend, s));
  const [output, mean, variance] = outputs.map((info) => floatsOf(backend, info)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [x, scale, offset] = ['x', 'scale', 'offset'].map((name) =>
    floatsOf(backend, input(params, name)),
  ) as [Float32Array, Float32Array, Float32Array];
  const { means, variances } = channelStatistics(x, mean.length);
  mean.set(means);
  variance.set(variances);
  const factors = variances.map((v, c) => (scale[c] as number) / Math.sqrt(v + epsilon));
  normalise(x, output, means, factors, offset);
  return outputs;
}

/** Mean and biased variance in one pass, relative to the first row so that a large mean costs no digits. */
function channelStatistics(
  x: Float32Array,
  channels: number,
): { means: Float64Array<ArrayBuffer>; variances: Float64Array<ArrayBuffer> } {
  const count = x.length / channels;
  const [means, variances] = [new Float64Array(channels), new Float64Array(channels)];
  forEachChunk(x.length, channels, (c, from, to) => {
    const origin = x[c] as number;
    let sum = 0;
    let squares = 0;
    for (let i = from; i < to; i += channels) {
      const difference = (x[i] as number) - origin;
      sum += difference;
      squares += difference * difference;
    }
    means[c] = (means[c] as number) + sum / count;
    variances[c] = (variances[c] as number) + squares / count;
  });
  for (let c = 0; c < channels; c++) {
    const shifted = means[c] as number;
    variances[c] = Math.max(0, (variances[c] as number) - shifted * shifted);
    means[c] = shifted + (x[c] as number);
  }
  return { means, variances };
}

function normalise(
  x: Float32Array,
  output: Float32Array,
  means: PerChannel,
  factors: PerChannel,
  offsets: PerChannel,
): void {
  const channels = means.length;
  forEachChunk(x.length, channels, (c, from, to) => {
    const [mean, factor, offset] = [means[c] as number, factors[c] as number, offsets[c] as number];
    for (let i = from; i < to; i += channels) output[i] = ((x[i] as number) - mean) * factor + offset;
  });
}

/**
 * Backward kernel behind `batchNormTraining` on the wasm backend.
 *
 * Inputs as the forward kernel saved them, `dy` of x's shape, and `dMean`, `dVariance` [channels] from whatever else
 * used the statistics. Outputs [dx, dScale, dOffset], owned by the caller. With n elements a channel and
 * `r = 1 / sqrt(variance + epsilon)`:
 * `dx = scale * r * (dy - mean(dy) - (x - mean) * r^2 * mean(dy * (x - mean)))
 *     + (dMean + 2 * dVariance * (x - mean)) / n`.
 */
export function batchNormBackward(params: KernelParams): TensorInfo[] {
  const backend = asWasmBackend(params.backend);
  const { epsilon } = attributes<{ epsilon: number }>(params);
  const { shape } = input(params, 'scale');
  const outputs = [input(params, 'x').shape, shape, shape].map((s) => makeFloats(backend, s));
  const read = (name: string): Float32Array => floatsOf(backend, input(params, name));
  const [dx, dScale, dOffset] = outputs.map((info) => floatsOf(backend, info)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [x, dy, mean, scale] = [read('x'), read('dy'), read('mean'), read('scale')];
  const [dMean, dVariance] = [read('dMean'), read('dVariance')];
  const inverse = Float64Array.from(read('variance'), (v) => 1 / Math.sqrt(v + epsilon));
  const { plain, centred } = gradientSums(x, dy, mean);
  const count = x.length / mean.length;
  const forGradient = inverse.map((r, c) => (scale[c] as number) * r);
  const forCentred = inverse.map((r, c) => {
    const through = (forGradient[c] as number) * r * r * (centred[c] as number);
    return (2 * (dVariance[c] as number) - through) / count;
  });
  const constant = plain.map((sum, c) => ((dMean[c] as number) - (forGradient[c] as number) * sum) / count);
  dOffset.set(plain);
  dScale.set(centred.map((sum, c) => sum * (inverse[c] as number)));
  combine(x, dy, dx, mean, forGradient, forCentred, constant);
  return outputs;
}

/** For each channel the sums of `dy` and of `dy * (x - mean)`. */
function gradientSums(
  x: Float32Array,
  dy: Float32Array,
  means: PerChannel,
): { plain: Float64Array<ArrayBuffer>; centred: Float64Array<ArrayBuffer> } {
  const channels = means.length;
  const [plain, centred] = [new Float64Array(channels), new Float64Array(channels)];
  forEachChunk(x.length, channels, (c, from, to) => {
    const mean = means[c] as number;
    let sum = 0;
    let product = 0;
    for (let i = from; i < to; i += channels) {
      const gradient = dy[i] as number;
      sum += gradient;
      product += gradient * ((x[i] as number) - mean);
    }
    plain[c] = (plain[c] as number) + sum;
    centred[c] = (centred[c] as number) + product;
  });
  return { plain, centred };
}

/** `dx = forGradient * dy + forCentred * (x - mean) + constant`, channel by channel. */
function combine(
  x: Float32Array,
  dy: Float32Array,
  dx: Float32Array,
  means: PerChannel,
  forGradient: PerChannel,
  forCentred: PerChannel,
  constant: PerChannel,
): void {
  const channels = means.length;
  forEachChunk(x.length, channels, (c, from, to) => {
    const [p, q] = [forGradient[c] as number, forCentred[c] as number];
    const [mean, r] = [means[c] as number, constant[c] as number];
    for (let i = from; i < to; i += channels)
      dx[i] = p * (dy[i] as number) + q * ((x[i] as number) - mean) + r;
  });
}
