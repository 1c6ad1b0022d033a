/** The fused path of the wasm backend: the kernels of `@vradam/wasm` on the memory of tfjs's own module. */

import * as tf from '@tensorflow/tfjs-core';
import {
  type Entry,
  float32Ops,
  type Kernel,
  numberOps,
  type TensorOps,
  type VRMomentumOptions,
} from '@vradam/core';
import type { Addresses, MomentKernels, Rule } from '@vradam/wasm';
import type { Fusion } from './fusions.ts';
import {
  elementOffset,
  floatsOf,
  makeFloats,
  memoryOf,
  type WasmBackend,
} from './gradientKernels/wasmBackend.ts';
import { exclusive } from './kernels.ts';
import { countNonFinite, type TensorMemory, working } from './memory.ts';

/** The tensors of the wasm backend, and the kernels on them. */
interface Heap extends TensorMemory {
  readonly kernels: MomentKernels;
  /** Byte address of a tensor; valid as long as it lives. */
  address(x: tf.Tensor): number;
  /** A new tensor of any numbers. */
  make(shape: number[]): tf.Tensor;
}

function heapOf(backend: WasmBackend & tf.KernelBackend, { kernelsOver }: Fusion): Heap | undefined {
  const memory = memoryOf(backend);
  return (
    memory && {
      kernels: kernelsOver(memory),
      view: (x) => floatsOf(backend, x),
      references: ({ dataId }) => backend.refCount(dataId),
      address: (x) => elementOffset(backend, x) * 4,
      make: (shape) => tf.engine().makeTensorFromTensorInfo(makeFloats(backend, shape)),
    }
  );
}

/** The heap of the wasm backend; undefined if this is another backend or version, or without SIMD. */
export const wasmHeap = (fusion: Fusion): Heap | undefined =>
  working('wasm', (backend: WasmBackend & tf.KernelBackend) => heapOf(backend, fusion));

/** Elements in a row that are copied and then moved while they are in the cache. */
const block = 65_536;

function fuse(
  heap: Heap,
  { replace, sumPower }: TensorOps<tf.Tensor, number>,
  rule: Rule,
): Kernel<tf.Tensor, number> {
  const { kernels, view } = heap;
  /** Addresses from element `start` on. */
  const at = ({ gradient, slots }: Entry<tf.Tensor>, start: number, ...parameters: (tf.Tensor | null)[]) =>
    [...parameters, gradient, ...rule.slots.map((name) => slots[name])].map((tensor) =>
      tensor ? heap.address(tensor) + 4 * start : 0,
    ) as readonly number[] as Addresses;
  return {
    accumulate(entry, options) {
      const { gradient, slots } = entry;
      for (const [name, x] of Object.entries(slots)) slots[name] = exclusive(heap, replace, x);
      const squares =
        rule.accumulate?.(kernels as never, at(entry, 0, null, null), gradient.size, options as never) ?? 0;
      if (!rule.hasNorm) return null;
      const { power, normGrad } = options as Required<VRMomentumOptions>;
      if (power === 2 && !normGrad) return squares;
      return sumPower(normGrad ? gradient : (slots['velocity'] as tf.Tensor), power);
    },
    // out of place: other tensors may share the numbers of a parameter
    apply(parameter, entry, rate, options) {
      const next = heap.make(parameter.shape);
      const [from, to] = [view(parameter), view(next)];
      // from the end, which the phase before has left in the cache
      for (let start = next.size - 1 - ((next.size - 1) % block); start >= 0; start -= block) {
        const rest = from.subarray(start, start + block);
        if (!rule.isOutOfPlace) to.set(rest, start);
        const addresses = at(entry, start, parameter, next);
        rule.apply(kernels as never, addresses, rest.length, entry, rate, options as never);
      }
      return replace(parameter, next);
    },
  };
}

/** The core's operations on the wasm backend: tfjs's, but for fused steps and for scalars, which are numbers. */
export function heapOps(
  portable: TensorOps<tf.Tensor, unknown>,
  heap: Heap,
  { rules }: Fusion,
): TensorOps<tf.Tensor, number> {
  const { kernels, address, view } = heap;
  const ops: TensorOps<tf.Tensor, number> = {
    ...(portable as TensorOps<tf.Tensor, number>),
    scalars: numberOps,
    kernels: (algorithm) => rules[algorithm] && fuse(heap, ops, rules[algorithm]),
    readScalar: (x) => Promise.resolve(x),
    sumPower: (x, power) =>
      power === 2 ? kernels.sumSquares(address(x), x.size) : float32Ops.sumPower(view(x), power),
    countNonFinite: (x) => (kernels.nonFinite(address(x), x.size) === 0 ? 0 : countNonFinite(view(x))),
  };
  return ops;
}
