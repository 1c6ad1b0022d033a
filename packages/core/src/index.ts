export { type AdamWOptions, adamw } from './adamw.ts';
export type { Algorithm, CommonOptions, Entry, Kernel, Kernels } from './algorithm.ts';
export { float32Ops, float64Ops, numberOps } from './arrays/ops.ts';
export { VRAdamError, type VRAdamErrorCode } from './errors.ts';
export { type MomentumOptions, momentum, type VRMomentumOptions, vrMomentum } from './momentum.ts';
export type { DType, Scalar, ScalarOps, TensorOps } from './ops.ts';
export { createOptimizer, type Optimizer } from './optimizer.ts';
export { checkOptions, type Range } from './options.ts';
export {
  combineMeasurements,
  combineNorms,
  type GroupStats,
  type Measurement,
  type NonFiniteGradient,
  type Pending,
  type Phases,
  type StepResult,
  type Transform,
} from './phases.ts';
export { type RMSPropOptions, rmsprop } from './rmsprop.ts';
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafeTensor,
  type SafetensorsFile,
  type SafetensorsType,
} from './safetensors.ts';
export {
  constant,
  type ExponentialOptions,
  exponential,
  join,
  type LinearOptions,
  linear,
  piecewise,
  type Schedule,
  type WarmupCosineOptions,
  warmupCosine,
} from './schedules.ts';
export { type SGDOptions, sgd } from './sgd.ts';
export {
  defineOptimizer,
  type Group,
  type GroupOptions,
  type NameMatch,
  type NonFinitePolicy,
  type OptimizerOptions,
  type OptimizerSpec,
  type OptionTable,
} from './spec.ts';
export {
  disposeState,
  type Gradients,
  type NamedTensors,
  type OptimizerState,
  type ParameterState,
  setLearningRate,
} from './state.ts';
export {
  decodeState,
  encodeState,
  exportState,
  importState,
  type StateDict,
  stateSchema,
} from './stateDict.ts';
export { type AccumulateOptions, accumulateGradients } from './transforms/accumulateGradients.ts';
export { type AverageOptions, averagedWeights, averageWeights } from './transforms/averageWeights.ts';
export { type ClipOptions, clipByGlobalNorm } from './transforms/clipByGlobalNorm.ts';
export { biasAndNormalization, maskWeightDecay } from './transforms/maskWeightDecay.ts';
export { skipNonFinite } from './transforms/skipNonFinite.ts';
export { type VRAdamOptions, vradam } from './vradam.ts';
