/** The state of an optimizer as plain data, keyed by names: what a checkpoint holds. */

import { VRAdamError } from './errors.ts';
import type { Optimizer } from './optimizer.ts';
import { fail, show } from './options.ts';
import { decodeSafetensors, encodeSafetensors, isCount, type SafeTensor } from './safetensors.ts';
import { disposeState, type NamedTensors, type OptimizerState, type ParameterState } from './state.ts';

/** Version of the layout below. */
export const stateSchema = 'vradam-state/1';

/** The state of an optimizer, without any handle of a backend. */
export interface StateDict {
  /** Always `vradam-state/1`. */
  readonly schema: string;
  /** Name of the algorithm. */
  readonly algorithm: string;
  /** Steps taken. */
  readonly step: number;
  /** Steps not taken because of non-finite gradients. */
  readonly skippedSteps: number;
  /** Gradients gathered since the last step. */
  readonly microStep: number;
  /** Learning rate set on the live optimizer, by group name; null where the spec's holds. */
  readonly learningRates: Readonly<Record<string, number | null>>;
  /** Gradients received so far, by parameter name. */
  readonly parameterSteps: Readonly<Record<string, number>>;
  /** State tensors by `slot/parameter name`, with the parameter's shape. */
  readonly tensors: Readonly<Record<string, SafeTensor>>;
}

/**
 * Reads the whole state from the backend. The state stays as it is.
 *
 * @returns a copy that later steps do not change.
 */
export async function exportState<T, S>(
  { ops, spec }: Optimizer<T, S>,
  state: OptimizerState<T>,
): Promise<StateDict> {
  const { learningRates, parameters, ...counters } = state;
  const dtype = ops.dtype === 'float64' ? 'F64' : 'F32';
  const reads = [...parameters].flatMap(([name, { shape, slots }]) =>
    Object.entries(slots).map(async ([slot, tensor]) => {
      const data = await ops.toArray(tensor);
      return [`${slot}/${name}`, { dtype, shape, data }] as const;
    }),
  );
  return {
    schema: stateSchema,
    algorithm: spec.algorithm.name,
    ...counters,
    learningRates: Object.fromEntries(
      spec.groups.map(({ name }, i) => [name, learningRates[i] as number | null]),
    ),
    parameterSteps: Object.fromEntries([...parameters].map(([name, parameter]) => [name, parameter.step])),
    tensors: Object.fromEntries(await Promise.all(reads)),
  };
}

const mismatch = (why: string): never =>
  fail('ERR_STATE_MISMATCH', `the state does not fit this optimizer: ${why}.`);

function checkSchema(schema: unknown): void {
  if (schema !== stateSchema) {
    fail('ERR_STATE_VERSION', `state must be of schema ${stateSchema}. Received: ${show(schema)}.`);
  }
}

function sameNames(what: string, wanted: readonly string[], received: object): void {
  const [a, b] = [wanted, Object.keys(received)].map((names) => JSON.stringify([...names].sort()));
  if (a !== b) mismatch(`its ${what} must be ${a}, and are ${b}`);
}

/** Compares one parameter's tensors with what it must and may keep. */
function checkSlots(
  name: string,
  shape: readonly number[],
  slots: Readonly<Record<string, SafeTensor>>,
  required: readonly string[],
  allowed: readonly string[],
): void {
  const missing = required.find((slot) => !Object.hasOwn(slots, slot));
  if (missing) mismatch(`${show(name)} lacks ${missing}`);
  for (const [slot, tensor] of Object.entries(slots)) {
    if (!allowed.includes(slot)) mismatch(`${show(name)} keeps no ${show(slot)}`);
    if (String(tensor.shape) !== String(shape) || !/^F(32|64)$/.test(tensor.dtype)) {
      mismatch(
        `${slot} of ${show(name)} must be floats of shape [${shape}], and is ${tensor.dtype}[${tensor.shape}]`,
      );
    }
  }
}

/**
 * Makes a state from plain data; the next step continues as if nothing had happened.
 *
 * @param parameters - as given to `init`; only looked at.
 * @returns a state with tensors of its own.
 * @throws VRAdamError `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`. Then nothing was made.
 */
export function importState<T, S>(
  { ops, spec, init }: Optimizer<T, S>,
  dict: StateDict,
  parameters: NamedTensors<T>,
): OptimizerState<T> {
  const { schema, algorithm, learningRates, parameterSteps, tensors, ...counters } = dict;
  checkSchema(schema);
  if (algorithm !== spec.algorithm.name)
    mismatch(`it must be of ${spec.algorithm.name}, and is of ${algorithm}`);
  sameNames(
    'groups',
    spec.groups.map(({ name }) => name),
    learningRates,
  );
  sameNames('parameters', Object.keys(parameters), parameterSteps);

  const slots = new Map(Object.keys(parameters).map((name) => [name, {} as Record<string, SafeTensor>]));
  for (const [key, tensor] of Object.entries(tensors)) {
    const cut = key.indexOf('/');
    const owner = slots.get(key.slice(cut + 1)) ?? mismatch(`${show(key)} has no parameter`);
    owner[key.slice(0, cut)] = tensor;
  }
  const fresh = init(parameters);
  try {
    for (const [name, { shape, group, slots: initial }] of fresh.parameters) {
      const kept = spec.algorithm.slots((spec.groups[group] as (typeof spec.groups)[number]).options);
      const required = [...Object.keys(initial), ...(parameterSteps[name] ? kept : [])];
      const allowed = [...kept, ...spec.transforms.flatMap((transform) => transform.slots)];
      checkSlots(name, shape, slots.get(name) as Record<string, SafeTensor>, required, allowed);
    }
  } finally {
    // what a transform made at init is replaced by what the dict holds
    disposeState({ ops }, fresh);
  }
  const states = [...fresh.parameters].map(([name, parameter]): [string, ParameterState<T>] => {
    const made = Object.entries(slots.get(name) as Record<string, SafeTensor>).map(
      ([slot, { data, shape }]) => [slot, ops.fromArray(data as Float32Array, shape)],
    );
    return [name, { ...parameter, step: parameterSteps[name] as number, slots: Object.fromEntries(made) }];
  });
  return {
    ...counters,
    learningRates: spec.groups.map(({ name }) => learningRates[name] ?? null),
    parameters: new Map(states),
  };
}

/** Encodes a state dict as a safetensors file: its tensors, and the rest as JSON in the metadata. */
export function encodeState({ schema, tensors, ...numbers }: StateDict): Uint8Array<ArrayBuffer> {
  return encodeSafetensors({ tensors, metadata: { schema, state: JSON.stringify(numbers) } });
}

const isRate = (value: unknown): boolean =>
  value === null || (Number.isFinite(value) && (value as number) >= 0);

/**
 * Decodes what {@link encodeState} made.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`.
 */
export function decodeState(bytes: Uint8Array): StateDict {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { schema, state = '' } = metadata;
  checkSchema(schema);
  try {
    const { algorithm, step, skippedSteps, microStep, learningRates, parameterSteps } = JSON.parse(state);
    const counters = [step, skippedSteps, microStep, ...Object.values(parameterSteps)];
    if (!counters.every(isCount) || !Object.values(learningRates).every(isRate)) throw new RangeError(state);
    const numbers = { step, skippedSteps, microStep, learningRates, parameterSteps };
    return { schema: stateSchema, algorithm: String(algorithm), ...numbers, tensors };
  } catch (cause) {
    throw new VRAdamError('ERR_FILE_FORMAT', `[@vradam/core] not a valid optimizer state: ${cause}.`, {
      cause,
    });
  }
}
