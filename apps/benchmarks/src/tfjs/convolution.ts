/** What the gradients of a convolution cost on wasm, against its forward pass. */

import * as tf from '@tensorflow/tfjs';
import { median } from '../report/summary.ts';

/** A 3 x 3 convolution, 'same' padding, stride 1. */
export interface ConvolutionCase {
  readonly batch: number;
  readonly size: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** The cases: the layers of small image models. */
export const convolutionCases: readonly ConvolutionCase[] = [
  { batch: 32, size: 32, inChannels: 3, outChannels: 32 },
  { batch: 128, size: 32, inChannels: 3, outChannels: 32 },
  { batch: 32, size: 32, inChannels: 32, outChannels: 32 },
  { batch: 32, size: 16, inChannels: 32, outChannels: 64 },
  { batch: 32, size: 8, inChannels: 64, outChannels: 128 },
];

/** Wall times in milliseconds, medians, and ratios of the same rounds. */
export interface ConvolutionResult extends ConvolutionCase {
  readonly forwardMs: number;
  readonly filterGradientMs: number;
  readonly filterRatio: number;
  readonly inputGradientMs: number;
  readonly inputRatio: number;
}

function wallMs(run: () => tf.Tensor): number {
  const begin = performance.now();
  const result = run();
  const ms = performance.now() - begin;
  result.dispose();
  return ms;
}

/** Runs the three passes in every round, each once. */
export function measureConvolution(at: ConvolutionCase, rounds: number): ConvolutionResult {
  const { batch, size, inChannels, outChannels } = at;
  const filterShape: [number, number, number, number] = [3, 3, inChannels, outChannels];
  const inputShape: [number, number, number, number] = [batch, size, size, inChannels];
  const [x, filter] = [
    tf.randomUniform(inputShape) as tf.Tensor4D,
    tf.randomUniform(filterShape) as tf.Tensor4D,
  ];
  const dy = tf.randomUniform([batch, size, size, outChannels]);
  const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC' };
  const run = (name: string, inputs: Record<string, tf.Tensor>, more: object) =>
    tf.engine().runKernel<tf.Tensor>(name, inputs, { ...attrs, ...more } as tf.NamedAttrMap);
  const passes = [
    () => run('Conv2D', { x, filter }, { dilations: [1, 1] }),
    () => run('Conv2DBackpropFilter', { x, dy }, { filterShape }),
    () => run('Conv2DBackpropInput', { dy, filter }, { inputShape }),
  ];
  const times = passes.map((): number[] => []);
  for (let i = -3; i < rounds; i++) {
    for (const [p, pass] of passes.entries()) {
      const ms = wallMs(pass);
      if (i >= 0) times[p]?.push(ms);
    }
  }
  tf.dispose([x, filter, dy]);
  const [forward, byFilter, byInput] = times as [number[], number[], number[]];
  const against = (own: number[]) => median(own.map((ms, i) => ms / (forward[i] as number)));
  return {
    ...at,
    forwardMs: median(forward),
    filterGradientMs: median(byFilter),
    filterRatio: against(byFilter),
    inputGradientMs: median(byInput),
    inputRatio: against(byInput),
  };
}
