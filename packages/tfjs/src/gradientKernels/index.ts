export { type BatchNormResult, batchNormTraining } from './batchNorm.ts';
export { registerGradientKernels } from './register.ts';
