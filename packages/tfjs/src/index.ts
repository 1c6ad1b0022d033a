export * from '@vradam/core';
export { type FitCallbacks, type FitLogs, type LogOptions, logStats, scheduleByEpoch } from './callbacks.ts';
export { ConfiguredOptimizer, type Factory, type TfjsOptions, type TransformOptions } from './configured.ts';
export { type Fusion, fullFusion, momentFusion } from './fusions.ts';
export { type BatchNormResult, batchNormTraining, registerGradientKernels } from './gradientKernels/index.ts';
export {
  createTfjsOps,
  type ExternalPath,
  type PathOptions,
  registerStepPath,
  type StepPath,
  type TfjsScalar,
} from './ops.ts';
export { TfjsOptimizer } from './optimizer.ts';
export { AdamW } from './optimizers/adamw.ts';
export { Momentum } from './optimizers/momentum.ts';
export { RMSProp } from './optimizers/rmsprop.ts';
export { SGD } from './optimizers/sgd.ts';
export { VRAdam } from './optimizers/vradam.ts';
export { VRMomentum } from './optimizers/vrMomentum.ts';
export { SpecOptimizer } from './specOptimizer.ts';
export { exportState, importState } from './state.ts';
export type { GroupReport, StepStats } from './stats.ts';
export { registerTransforms, type TransformEntry, type TransformOf } from './transforms.ts';
