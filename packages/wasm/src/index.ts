export { arenaSize } from './arena.ts';
export {
  instantiate,
  instantiateKernels,
  instantiateMomentKernels,
  type KernelExports,
  type MomentKernels,
} from './module.ts';
export { createWasmOps, type WasmOps, type WasmOptions } from './ops.ts';
export type { Memory } from './platform.ts';
export { type Addresses, adamwRule, type Rule, rules, vradamRule } from './rules.ts';
