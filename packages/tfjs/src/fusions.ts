/** Which algorithms are fused on wasm. A class brings its own, so that a bundle has no kernels of others. */

import {
  adamwRule,
  instantiateKernels,
  instantiateMomentKernels,
  type Memory,
  type MomentKernels,
  type Rule,
  rules,
  vradamRule,
} from '@vradam/wasm';
import { oncePerMemory } from './gradientKernels/wasmBackend.ts';

/** Algorithms that are fused on wasm, for a class of your own: others run in tfjs operations there. */
export interface Fusion {
  /** By the algorithm's name. */
  readonly rules: Readonly<Record<string, Rule>>;
  /** The kernels that they need, over tfjs's memory. */
  readonly kernelsOver: (memory: Memory) => MomentKernels;
}

/** VRAdam and AdamW. */
export const momentFusion: Fusion = {
  rules: { vradam: vradamRule, adamw: adamwRule },
  kernelsOver: /* @__PURE__ */ oncePerMemory((memory) => instantiateMomentKernels(memory)),
};

/** Every algorithm of the core. */
export const fullFusion: Fusion = {
  rules,
  kernelsOver: /* @__PURE__ */ oncePerMemory((memory) => instantiateKernels(memory)),
};
