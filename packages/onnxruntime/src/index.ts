export * from '@vradam/core';
export * from '@vradam/onnx-autodiff/lazy';
export type { Checkpoint } from './checkpoint.ts';
export { createTrainingSession } from './createTrainingSession.ts';
export type { ArrayFeed, Feed, Feeds } from './feeds.ts';
export type { BatchNormMode } from './graphs.ts';
export type { Trainable, TrainingSessionOptions, UpdatePlacement } from './options.ts';
export type { EvalResult, GradientResult, HostTensor, SessionStats, TrainResult } from './results.ts';
export {
  type ExecutionProvider,
  type OrtModule,
  type OrtSession,
  type OrtTensor,
  type OrtTensors,
  openRuntime,
  type Runtime,
  type RuntimeOptions,
} from './runtime.ts';
export { TrainingSession } from './session.ts';
export type { ModelSource } from './source.ts';
export type { DevicePlacement, DeviceStats, DeviceStepper } from './update/device.ts';
export type { GroupReport, Learnt } from './update/update.ts';
