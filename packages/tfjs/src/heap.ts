/** The fused path of the wasm backend: the kernels of `@vradam/wasm` on the memory of tfjs's own module. */

import * as tf from '@tensorflow/tfjs-core';
import {
  type AdamWOptions,
  type Entry,
  float32Ops,
  type Kernel,
  type Kernels,
  numberOps,
  type RMSPropOptions,
  type SGDOptions,
  type TensorOps,
  type VRMomentumOptions,
} from '@vradam/core';
import { instantiateKernels, type KernelExports } from '@vradam/wasm';
import {
  asWasmBackend,
  elementOffset,
  floatsOf,
  makeFloats,
  memoryOf,
  oncePerMemory,
  type WasmBackend,
} from './gradientKernels/wasmBackend.ts';
import { exclusive } from './kernels.ts';
import { shows, type TensorMemory } from './memory.ts';

/** The tensors of the wasm backend, and the kernels on them. */
export interface Heap extends TensorMemory {
  readonly kernels: KernelExports;
  /** Byte address of a tensor; valid as long as it lives. */
  address(x: tf.Tensor): number;
  /** A new tensor of any numbers. */
  make(shape: number[]): tf.Tensor;
}

const kernelsOver = /* @__PURE__ */ oncePerMemory((memory) => instantiateKernels(memory));

const heapOf = (backend: WasmBackend & tf.KernelBackend): Heap => ({
  kernels: kernelsOver(memoryOf(backend)),
  view: (x) => floatsOf(backend, x),
  references: ({ dataId }) => backend.refCount(dataId),
  address: (x) => elementOffset(backend, x) * 4,
  make: (shape) => tf.engine().makeTensorFromTensorInfo(makeFloats(backend, shape)),
});

/** The heap of the wasm backend; null if this is another backend or version, or without SIMD. */
export function wasmHeap(): Heap | null {
  if (tf.getBackend() !== 'wasm') return null;
  try {
    const heap = heapOf(asWasmBackend(tf.backend()) as WasmBackend & tf.KernelBackend);
    return shows(heap) ? heap : null;
  } catch {
    return null;
  }
}

/** Addresses of `n` elements of a parameter, of its copy, which is written, of its gradient and slots; 0: not kept. */
interface At {
  readonly n: number;
  readonly from: number;
  readonly p: number;
  readonly g: number;
  slot(name: string): number;
}

/** Folds a gradient into its slots in place; sum of velocity^2. */
type Accumulate = (kernels: KernelExports, at: At, options: object) => number;
/** Moves a parameter in place. */
type Apply = (kernels: KernelExports, at: At, entry: Entry<tf.Tensor>, rate: number, options: object) => void;

const moments: Accumulate = (kernels, { n, g, slot }, options) => {
  const { beta1, beta2 } = options as Required<AdamWOptions>;
  return kernels.moments(g, slot('velocity'), slot('secondMoment'), n, beta1, 1 - beta1, beta2, 1 - beta2);
};

const velocity: Accumulate = (kernels, { n, g, slot }, options) => {
  const { beta1 } = options as Required<VRMomentumOptions>;
  return kernels.velocity(g, slot('velocity'), n, beta1, 1 - beta1);
};

const descend: Apply = (kernels, { n, from, p, slot }, { step, weightDecay }, rate, options) => {
  const { beta1, beta2, epsilon } = options as Required<AdamWOptions>;
  const [size, correction] = [rate / (1 - beta1 ** step), 1 / Math.sqrt(1 - beta2 ** step)];
  kernels.descendTo(
    from,
    p,
    slot('velocity'),
    slot('secondMoment'),
    n,
    size,
    correction,
    epsilon,
    rate * weightDecay,
  );
};

const glide: Apply = (kernels, { n, p, slot }, { weightDecay }, rate) =>
  kernels.glide(p, slot('velocity'), n, rate, rate * weightDecay);

const sgd: Apply = (kernels, { n, p, g, slot }, { step, weightDecay }, rate, options) => {
  const { momentum, dampening, nesterov } = options as Required<SGDOptions>;
  if (momentum === 0) return kernels.glide(p, g, n, rate, rate * weightDecay);
  const [gain, own, along] = [step === 1 ? 1 : 1 - dampening, nesterov ? 1 : 0, nesterov ? momentum : 1];
  kernels.sgd(p, g, slot('momentumBuffer'), n, rate, weightDecay, momentum, gain, own, along);
};

const rmsprop: Apply = (kernels, { n, p, g, slot }, { weightDecay }, rate, options) => {
  const { alpha, epsilon, momentum } = options as Required<RMSPropOptions>;
  const [square, mean, buffer] = ['meanSquare', 'mean', 'momentumBuffer'].map(slot) as [
    number,
    number,
    number,
  ];
  kernels.rmsprop(p, g, square, mean, buffer, n, rate, weightDecay, alpha, 1 - alpha, epsilon, momentum);
};

interface Rule {
  readonly accumulate?: Accumulate;
  readonly apply: Apply;
  /** Whether there is a norm between the phases. */
  readonly hasNorm?: true;
  /** Whether `apply` reads the parameter and writes the copy; else it moves the copy. */
  readonly readsParameter?: true;
}

const rules: Readonly<Record<string, Rule>> = {
  vradam: { accumulate: moments, apply: descend, hasNorm: true, readsParameter: true },
  adamw: { accumulate: moments, apply: descend, readsParameter: true },
  vrMomentum: { accumulate: velocity, apply: glide, hasNorm: true },
  momentum: { accumulate: velocity, apply: glide },
  sgd: { apply: sgd },
  rmsprop: { apply: rmsprop },
};

/** Elements in a row that are copied and then moved while they are in the cache. */
const block = 65_536;

/** A block of a parameter and of its copy, beginning with element `start`. */
interface Moved {
  readonly parameter: tf.Tensor;
  readonly next: tf.Tensor;
  readonly start: number;
}

const lastBlock = (n: number): number => Math.max(0, Math.ceil(n / block) - 1) * block;

function addresses(heap: Heap, { gradient, slots }: Entry<tf.Tensor>, moved?: Moved): At {
  const { start = 0, parameter, next } = moved ?? {};
  const n = next ? Math.min(block, next.size - start) : gradient.size;
  const at = (tensor: tf.Tensor | undefined): number => (tensor ? heap.address(tensor) + 4 * start : 0);
  return { n, from: at(parameter), p: at(next), g: at(gradient), slot: (name) => at(slots[name]) };
}

/** `sum |x|^power` in float64. */
const sumPower = (heap: Heap, x: tf.Tensor, power: number): number =>
  power === 2 ? heap.kernels.sumSquares(heap.address(x), x.size) : float32Ops.sumPower(heap.view(x), power);

/** The core's operations on the wasm backend: tfjs's, but for fused steps and for scalars, which are numbers. */
export function heapOps(portable: TensorOps<tf.Tensor, unknown>, heap: Heap): TensorOps<tf.Tensor, number> {
  const { kernels } = heap;
  const { replace } = portable;
  const fused: Kernels<tf.Tensor, number> = (algorithm): Kernel<tf.Tensor, number> | undefined => {
    const rule = rules[algorithm];
    return (
      rule && {
        accumulate(entry, options) {
          const { gradient, slots } = entry;
          for (const [name, x] of Object.entries(slots)) slots[name] = exclusive(heap, replace, x);
          const at = addresses(heap, entry);
          const squares = rule.accumulate?.(kernels, at, options) ?? 0;
          if (!rule.hasNorm) return null;
          const { power, normGrad } = options as Required<VRMomentumOptions>;
          if (power === 2 && !normGrad) return squares;
          return sumPower(heap, normGrad ? gradient : (slots['velocity'] as tf.Tensor), power);
        },
        // out of place: other tensors may share the numbers of a parameter
        apply(parameter, entry, rate, options) {
          const next = heap.make(parameter.shape);
          const [from, to] = [heap.view(parameter), heap.view(next)];
          // from the end, which the phase before has left in the cache
          for (let start = lastBlock(next.size); start >= 0; start -= block) {
            if (!rule.readsParameter) to.set(from.subarray(start, start + block), start);
            const at = addresses(heap, entry, { parameter, next, start });
            rule.apply(kernels, at, entry, rate, options);
          }
          return replace(parameter, next);
        },
      }
    );
  };
  return {
    ...(portable as TensorOps<tf.Tensor, number>),
    scalars: numberOps,
    kernels: fused,
    readScalar: (x) => Promise.resolve(x),
    sumPower: (x, power) => sumPower(heap, x, power),
    countNonFinite: (x) =>
      kernels.nonFinite(heap.address(x), x.size) === 0 ? 0 : (float32Ops.countNonFinite?.(heap.view(x)) ?? 0),
  };
}
