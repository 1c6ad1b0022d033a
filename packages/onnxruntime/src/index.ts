export { createLazyOps, type LazyOps, LazyTensor } from './lazyOps.ts';
export {
  type ExecutionProvider,
  openRuntime,
  type OrtModule,
  type OrtSession,
  type OrtTensor,
  type OrtTensors,
  type Runtime,
  type RuntimeOptions,
} from './runtime.ts';
