/** Trajectory files, schema `vradam-trajectory/1`: the only place that knows the letters `v`, `m` and `t`. */

import {
  type AdamWOptions,
  adamw,
  momentum,
  type OptimizerSpec,
  rmsprop,
  sgd,
  vradam,
  vrMomentum,
} from '@vradam/core';
import { asArray, asCount, asNumber, asNumbers, asObject, asString, malformed } from '../json.ts';

/** A tensor of a file. */
export interface TrajectoryTensor {
  /** Row-major shape. */
  readonly shape: readonly number[];
  /** Its elements. */
  readonly data: readonly number[];
}

/** One group of a trajectory. */
export interface TrajectoryGroup {
  /** Options, in the file's names. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Initial parameters. */
  readonly params: readonly TrajectoryTensor[];
}

/** Values by group, and in a group by parameter. */
export type PerParameter<V> = readonly (readonly V[])[];

/** One step. */
export interface TrajectoryStep {
  /** Learning rate per group, set before the step. */
  readonly lr: readonly number[] | undefined;
  /** Gradients [group][parameter]; null where missing. */
  readonly grads: PerParameter<readonly number[] | null>;
  /** Values after the step. */
  readonly expected: {
    /** Parameters. */
    readonly params: PerParameter<readonly number[]>;
    /** State tensors by slot in our names; null before the first gradient. */
    readonly slots: Readonly<Record<string, PerParameter<readonly number[] | null>>>;
    /** Gradients received, where the file says. */
    readonly t: PerParameter<number> | undefined;
    /** Effective learning rate per group, where the file says. */
    readonly eta: readonly number[] | undefined;
    /** Norm per group, where the file says. */
    readonly norm: readonly number[] | undefined;
  };
}

/** A whole trajectory. */
export interface Trajectory {
  /** Its name. */
  readonly name: string;
  /** The optimizer, over groups `group0`, `group1`, ... whose parameters are named by {@link parameterName}. */
  readonly spec: OptimizerSpec;
  /** Groups. */
  readonly groups: readonly TrajectoryGroup[];
  /** Steps. */
  readonly steps: readonly TrajectoryStep[];
}

/** Name of a trajectory's parameter. */
export const parameterName = (group: number, index: number): string => `g${group}.p${index}`;

const factories = {
  VRAdam: vradam,
  VRMomentum: vrMomentum,
  Momentum: momentum,
  AdamW: adamw,
  SGD: sgd,
  RMSProp: rmsprop,
};
const optionNames: Readonly<Record<string, string>> = { lr: 'learningRate', eps: 'epsilon' };
const slotNames: Readonly<Record<string, string>> = {
  v: 'velocity',
  m: 'secondMoment',
  buf: 'momentumBuffer',
  sq: 'meanSquare',
  avg: 'mean',
};

/**
 * The optimizer a file asks for.
 *
 * @param optimizer - as the files name it.
 * @param options - one set of options per group, in the files' names.
 * @param names - names of the parameters of each group.
 */
export function specOf(
  optimizer: string,
  options: readonly Readonly<Record<string, unknown>>[],
  names: readonly (readonly string[])[],
): OptimizerSpec {
  if (!Object.hasOwn(factories, optimizer))
    malformed('optimizer', Object.keys(factories).join(', '), optimizer);
  const factory = factories[optimizer as keyof typeof factories];
  return factory({
    groups: options.map((own, g) => ({ ...(ours(own) as AdamWOptions), match: names[g] ?? [] })),
  });
}

const ours = (options: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).map(([key, value]) => [optionNames[key] ?? key, value]));

function asTensor(value: unknown, path: string): TrajectoryTensor {
  const { shape, data } = asObject(value, path);
  const tensor = { shape: asArray(shape, `${path}.shape`, asCount), data: asNumbers(data, `${path}.data`) };
  const size = tensor.shape.reduce((product, length) => product * length, 1);
  if (size !== tensor.data.length) malformed(`${path}.data`, `${size} numbers`, tensor.data.length);
  return tensor;
}

function asGroup(value: unknown, path: string): TrajectoryGroup {
  const { options, params } = asObject(value, path);
  return {
    options: asObject(options, `${path}.options`),
    params: asArray(params, `${path}.params`, asTensor),
  };
}

/** Reads [group][parameter] values and compares their extent with the groups'. */
function perParameter<V>(
  value: unknown,
  path: string,
  groups: readonly TrajectoryGroup[],
  read: (value: unknown, path: string, tensor: TrajectoryTensor) => V,
): V[][] {
  const rows = asArray(value, path, (row, at) => asArray(row, at, (x) => x));
  if (rows.length !== groups.length)
    malformed(path, `one list for each of ${groups.length} groups`, rows.length);
  return rows.map((row, g) => {
    const { params } = groups[g] as TrajectoryGroup;
    if (row.length !== params.length) malformed(`${path}[${g}]`, `${params.length} values`, row.length);
    return row.map((x, p) => read(x, `${path}[${g}][${p}]`, params[p] as TrajectoryTensor));
  });
}

function sized(value: unknown, path: string, { data }: TrajectoryTensor): number[] {
  const numbers = asNumbers(value, path);
  return numbers.length === data.length ? numbers : malformed(path, `${data.length} numbers`, numbers.length);
}

const sizedOrNull = (value: unknown, path: string, tensor: TrajectoryTensor): number[] | null =>
  value === null ? null : sized(value, path, tensor);

function perGroup(value: unknown, path: string, groups: readonly TrajectoryGroup[]): number[] | undefined {
  if (value === undefined) return undefined;
  const numbers = asNumbers(value, path);
  return numbers.length === groups.length
    ? numbers
    : malformed(path, `${groups.length} numbers`, numbers.length);
}

function asStep(value: unknown, path: string, groups: readonly TrajectoryGroup[]): TrajectoryStep {
  const step = asObject(value, path);
  const expected = asObject(step['expected'], `${path}.expected`);
  const at = (key: string) => `${path}.expected.${key}`;
  const slots = Object.keys(slotNames).filter((key) => expected[key] !== undefined);
  return {
    lr: perGroup(step['lr'], `${path}.lr`, groups),
    grads: perParameter(step['grads'], `${path}.grads`, groups, sizedOrNull),
    expected: {
      params: perParameter(expected['params'], at('params'), groups, sized),
      slots: Object.fromEntries(
        slots.map((key) => [slotNames[key], perParameter(expected[key], at(key), groups, sizedOrNull)]),
      ),
      t: expected['t'] === undefined ? undefined : perParameter(expected['t'], at('t'), groups, asCount),
      eta: perGroup(expected['eta'], at('eta'), groups),
      norm: perGroup(expected['norm'], at('norm'), groups),
    },
  };
}

/**
 * Reads a trajectory from parsed JSON.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT` naming the place, or `ERR_OPTION_*` for options no optimizer has.
 */
export function parseTrajectory(json: unknown): Trajectory {
  const file = asObject(json, 'file');
  const name = asString(file['name'] ?? '', 'name');
  const optimizer = asString(file['optimizer'], 'optimizer');
  const groups = asArray(file['groups'], 'groups', asGroup);
  const names = groups.map(({ params }, g) => params.map((_, p) => parameterName(g, p)));
  const spec = specOf(
    optimizer,
    groups.map(({ options }) => options),
    names,
  );
  const steps = asArray(file['steps'], 'steps', (step, path) => asStep(step, path, groups));
  if (groups.length === 0 || steps.length === 0) malformed('groups and steps', 'not empty', groups.length);
  return { name, spec, groups, steps };
}

/** A case of a schedule file. */
export interface ScheduleCase {
  /** Arguments of `warmupCosine`, in our names. */
  readonly options: { learningRate: number; warmup: number; total: number; minimum: number; factor: number };
  /** Learning rate in epoch 0, 1, ... */
  readonly expected: readonly number[];
}

/**
 * Reads a schedule file, schema `vradam-schedule/1`.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT`.
 */
export function parseSchedule(json: unknown): ScheduleCase[] {
  const cases = asArray(asObject(json, 'file')['cases'], 'cases', (value, path) => {
    const { lr, warmup, total, etaMin, factor, expected } = asObject(value, path);
    return {
      options: {
        learningRate: asNumber(lr, `${path}.lr`),
        warmup: asNumber(warmup, `${path}.warmup`),
        total: asNumber(total, `${path}.total`),
        minimum: asNumber(etaMin, `${path}.etaMin`),
        factor: asNumber(factor, `${path}.factor`),
      },
      expected: asNumbers(expected, `${path}.expected`),
    };
  });
  return cases.length > 0 ? cases : malformed('cases', 'not empty', cases);
}
