export * from '@vradam/core';
export { createOptimizer, type WebGPUOptions } from './create.ts';
export { createWebGPUOps, type DeviceOps, type DeviceTensor } from './deviceOps.ts';
export type { Gradient } from './gradients.ts';
export { type GPUGradients, WebGPUOptimizer } from './optimizer.ts';
export { exportState, importState } from './state.ts';
export type { GroupReport, StepStats } from './stats.ts';
export type { BufferRange, Parameter } from './tensors.ts';
export type { Views } from './views.ts';
