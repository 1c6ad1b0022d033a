export * from '@vradam/core';
export { AdamW, Momentum, RMSProp, SGD, VRAdam, VRMomentum } from './classes.ts';
export { type BatchNormResult, batchNormTraining, registerGradientKernels } from './gradientKernels/index.ts';
export { createTfjsOps } from './ops.ts';
export { SpecOptimizer, type StepStats } from './optimizer.ts';
