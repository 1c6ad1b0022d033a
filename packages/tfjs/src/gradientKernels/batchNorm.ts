import {
  add,
  engine,
  type GradConfig,
  getBackend,
  getKernel,
  moments,
  mul,
  type NamedTensorMap,
  rsqrt,
  sub,
  type Tensor,
  type Tensor1D,
} from '@tensorflow/tfjs-core';
import { fail } from '../errors.ts';

/** Kernel name of the fused forward pass. */
export const BATCH_NORM = 'VRAdamBatchNormTraining';
/** Kernel name of its gradient. */
export const BATCH_NORM_GRAD = 'VRAdamBatchNormTrainingGrad';

/** What {@link batchNormTraining} returns; the caller owns all three tensors. */
export interface BatchNormResult {
  /** Normalised, scaled and shifted; shape and dtype of the input. */
  readonly output: Tensor;
  /** Mean of each channel over this batch, [channels]. */
  readonly mean: Tensor1D;
  /** Biased variance (divided by the number of elements) of each channel over this batch, [channels]. */
  readonly variance: Tensor1D;
}

/**
 * Batch normalisation in training mode, over every axis but the last:
 * `output = (x - mean) / sqrt(variance + epsilon) * scale + offset`.
 *
 * On the wasm backend, after `registerGradientKernels()`, one fused pass forward and one backward; on any other backend
 * composed of tfjs ops with the same result. Differentiable in `x`, `scale` and `offset`, through `mean` and `variance`
 * too.
 *
 * @param x - [..., channels], float32, rank 2 or more (NHWC images, or a dense layer's [batch, features]).
 * @param scale - gamma, [channels], float32.
 * @param offset - beta, [channels], float32.
 * @param epsilon - added to the variance; default 1e-5.
 * @throws VRAdamError `ERR_SHAPE_MISMATCH` when `scale` or `offset` is not [channels] or `x` has rank below 2.
 * @see https://arxiv.org/abs/1502.03167 Algorithm 1
 */
export function batchNormTraining(
  x: Tensor,
  scale: Tensor1D,
  offset: Tensor1D,
  epsilon = 1e-5,
): BatchNormResult {
  checkShapes(x, scale, offset);
  const float = [x, scale, offset].every(({ dtype }) => dtype === 'float32');
  const fused = float && getKernel(BATCH_NORM, getBackend()) !== undefined;
  return (fused ? fusedBatchNorm : composedBatchNorm)(x, scale, offset, epsilon);
}

function checkShapes(x: Tensor, scale: Tensor, offset: Tensor): void {
  const channels = x.shape.at(-1);
  const fits = [scale, offset].every(({ shape }) => shape.length === 1 && shape[0] === channels);
  if (x.rank >= 2 && fits) return;
  fail(
    'ERR_SHAPE_MISMATCH',
    'batchNormTraining needs x [..., channels] and scale, offset [channels]. ' +
      `Received: x [${x.shape}], scale [${scale.shape}], offset [${offset.shape}].`,
  );
}

function fusedBatchNorm(x: Tensor, scale: Tensor1D, offset: Tensor1D, epsilon: number): BatchNormResult {
  const [output, mean, variance] = runKernel(BATCH_NORM, { x, scale, offset }, { epsilon });
  return { output: output as Tensor, mean: mean as Tensor1D, variance: variance as Tensor1D };
}

function composedBatchNorm(x: Tensor, scale: Tensor1D, offset: Tensor1D, epsilon: number): BatchNormResult {
  const axes = Array.from({ length: x.rank - 1 }, (_, axis) => axis);
  return engine().tidy(() => {
    const { mean, variance } = moments(x, axes);
    const normalised = mul(sub(x, mean), rsqrt(add(variance, epsilon)));
    const output = add(mul(normalised, scale), offset);
    return { output, mean: mean as Tensor1D, variance: variance as Tensor1D };
  });
}

function runKernel(name: string, inputs: Record<string, Tensor>, attrs: { epsilon: number }): Tensor[] {
  return engine().runKernel<Tensor[]>(name, inputs as NamedTensorMap, attrs);
}

/** The gradient of {@link BATCH_NORM}, itself one kernel. */
export const batchNormGradient: GradConfig = {
  kernelName: BATCH_NORM,
  inputsToSave: ['x', 'scale'],
  outputsToSave: [false, true, true],
  gradFunc(dys, saved, attrs) {
    const [dy, dMean, dVariance] = dys as [Tensor, Tensor, Tensor];
    const [x, scale, mean, variance] = saved as [Tensor, Tensor, Tensor, Tensor];
    const inputs = { x, scale, mean, variance, dy, dMean, dVariance };
    const [dx, dScale, dOffset] = runKernel(BATCH_NORM_GRAD, inputs, attrs as { epsilon: number });
    return { x: () => dx as Tensor, scale: () => dScale as Tensor, offset: () => dOffset as Tensor };
  },
};
