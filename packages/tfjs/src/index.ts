export * from '@vradam/core';
export { type FitCallbacks, type FitLogs, type LogOptions, logStats, scheduleByEpoch } from './callbacks.ts';
export { AdamW, Momentum, RMSProp, SGD, VRAdam, VRMomentum } from './classes.ts';
export { ConfiguredOptimizer, type TfjsOptions, type TransformOptions } from './configured.ts';
export { type BatchNormResult, batchNormTraining, registerGradientKernels } from './gradientKernels/index.ts';
export { createTfjsOps, type PathOptions, type StepPath, type TfjsScalar } from './ops.ts';
export { SpecOptimizer } from './optimizer.ts';
export type { GroupReport, StepStats } from './stats.ts';
