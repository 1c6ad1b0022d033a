/** State dicts, by way of the core: what a snapshot of the device holds, and what may be put back. */

import {
  createOptimizer as bindCore,
  exportState as exportCore,
  float32Ops,
  importState as importCore,
  type OptimizerSpec,
  type ParameterState,
  type StateDict,
  type TensorOps,
} from '@vradam/core';
import type { Machine, WebGPUOptimizer } from './optimizer.ts';
import type { Part } from './readback.ts';
import type { Tensor } from './tensors.ts';

/** A tensor of a state, read from the device or to be written to it. */
export interface HostTensor {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}

const same = (x: HostTensor): HostTensor => x;

/** As much of a backend as it takes to check and to describe a state; nothing is computed. */
const ops: TensorOps<HostTensor, number> = {
  ...(float32Ops as unknown as TensorOps<HostTensor, number>),
  fromArray: (data, shape) => ({ data, shape }),
  toArray: ({ data }) => Promise.resolve(Float32Array.from(data)),
  shape: ({ shape }) => shape,
  zerosLike: same,
  affine: (_, x) => x,
  replace: (_, next) => next,
  dispose() {},
};

const bind = (spec: OptimizerSpec) => bindCore(ops, { ...spec, nonFinite: 'propagate' });

/** Buffers of a group's state: the slot's name, and the role of its buffer. */
function slotsOf({ around, programs }: Machine, group: number): [slot: string, role: string][] {
  return [
    ...(programs[group]?.slots ?? []).map((slot, i): [string, string] => [slot, `slot${i}`]),
    ...(around.average === undefined ? [] : [['average', 'average'] as [string, string]]),
    ...(around.batches === 1 ? [] : [['gradientSum', 'gradientSum'] as [string, string]]),
  ];
}

/** Where a state tensor lies. */
interface Place {
  readonly tensor: Tensor;
  readonly slot: string;
  readonly part: Part;
}

const placesOf = (machine: Machine): Place[] =>
  machine.segments.flatMap(({ group, tensors, offsets, buffers }) =>
    tensors.flatMap((tensor, i) =>
      slotsOf(machine, group).map(([slot, role]) => {
        const buffer = buffers[role] as GPUBuffer;
        return { tensor, slot, part: { buffer, offset: offsets[i] as number, bytes: 4 * tensor.elements } };
      }),
    ),
  );

/**
 * Reads the whole state from the device, all of it as of now. What was recorded and not submitted is not in it.
 *
 * @returns plain data of the core, which `encodeState` makes a file of.
 * @throws VRAdamError `ERR_DEVICE_LOST`, `ERR_DISPOSED`; `ERR_BUFFER`, `ERR_VALIDATION` for what an earlier call met.
 */
export async function exportState(optimizer: WebGPUOptimizer): Promise<StateDict> {
  optimizer.check();
  const { spec, machine } = optimizer;
  const { learningRates, microStep: batch, gathered } = machine.counters;
  const places = placesOf(machine);
  const { counters, rest } = await optimizer.readCounters(places.map(({ part }) => part));
  await optimizer.watch.settle();
  const microStep = machine.around.judges ? counters.batch : batch;
  const slots = machine.tensors.map((): Record<string, HostTensor> => ({}));
  for (const [i, { tensor, slot }] of places.entries()) {
    const { index, shape } = tensor;
    // the algorithm's slots come with the first gradient
    const isThere =
      { average: true, gradientSum: gathered[index] || counters.gathered[index] === 1 }[slot] ??
      (counters.steps[index] as number) > 0;
    const held = slots[index] as Record<string, HostTensor>;
    if (isThere) held[slot] = { data: new Float32Array(rest[i] as ArrayBuffer), shape };
  }
  const states = machine.tensors.map(
    ({ name, shape, group, index }): [string, ParameterState<HostTensor>] => {
      return [name, { shape, group, step: counters.steps[index] as number, slots: slots[index] ?? {} }];
    },
  );
  const { step, skipped: skippedSteps } = counters;
  return exportCore(bind(spec), {
    step,
    skippedSteps,
    microStep,
    learningRates,
    parameters: new Map(states),
  });
}

/**
 * Puts a state in place of an optimizer's own; the next step continues from there, bit for bit. Parameters stay.
 *
 * @throws VRAdamError `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`: then nothing changed. `ERR_DEVICE_LOST`,
 *   `ERR_DISPOSED`.
 */
export function importState(optimizer: WebGPUOptimizer, dict: StateDict): void {
  optimizer.check();
  const { spec, machine, device } = optimizer;
  const { tensors, counters } = machine;
  const named = Object.fromEntries(tensors.map(({ name, shape }) => [name, { data: [], shape }]));
  const { parameters, ...state } = importCore(bind(spec), dict, named);
  const stateOf = ({ name }: Tensor) => parameters.get(name);
  for (const { tensor, slot, part } of placesOf(machine)) {
    const given = stateOf(tensor)?.slots[slot]?.data ?? new Float32Array(tensor.elements);
    device.queue.writeBuffer(part.buffer, part.offset, Float32Array.from(given));
  }
  const steps = tensors.map((tensor) => stateOf(tensor)?.step ?? 0);
  const gathered = tensors.map((tensor) => stateOf(tensor)?.slots['gradientSum'] !== undefined);
  counters.reset(state.step, state.skippedSteps, state.microStep, steps, gathered);
  counters.learningRates = [...state.learningRates];
}
