/** A group's step as expressions, and the numbers in it that change from step to step. */

import type { Algorithm, Group, OptimizerSpec } from '@vradam/core';
import { fail, show } from './errors.ts';
import { createTrace, leaf, literal, type TracedNumber, type Value, Writer } from './ops.ts';

/** A whole step of one parameter, as expressions of its gradient, its slots and the learning rate. */
interface TracedStep {
  readonly numbers: readonly TracedNumber[];
  /** What the parameter adds to its group's norm; null if the algorithm has none. */
  readonly norm: Value | null;
  /** New slots, by name. */
  readonly slots: Readonly<Record<string, Value>>;
  /** The new parameter. */
  readonly parameter: Value;
}

/** What a group's kernels are made of. */
export interface Program {
  /** Names of the state tensors. */
  readonly slots: readonly string[];
  /** How many numbers of a parameter change from step to step. */
  readonly columns: number;
  /** Those numbers. `step` counts the gradients of the parameter, this one included. */
  row(step: number, weightDecay: number): readonly number[];
  /** Lines that compute the name `norm`'s summand from `gradient0` and the slots; undefined without a norm. */
  readonly measure: Written<'norm'> | undefined;
  /** Lines that compute the new slots and the new parameter. */
  readonly move: Written;
  /** Text of the learning rate's rule over `rate`, `norm` and numbers; undefined if it is just the base rate. */
  readonly rule: { readonly lines: readonly string[]; readonly result: string } | undefined;
  /** The numbers of `rule`. */
  readonly ruleNumbers: readonly number[];
}

/** Lines of a kernel, and which names then hold its results. */
export interface Written<K extends string = string> {
  readonly lines: readonly string[];
  readonly results: Readonly<Record<K, string>>;
}

/** Weight decay of a parameter without decay in a group that decays: 0 once it is a float32, but written all the same. */
const maskedDecay = Number.MIN_VALUE;

/** Runs the rules of a step over names. */
function traceStep(algorithm: Algorithm, group: Group, step: number, weightDecay: number): TracedStep {
  const { ops, numbers } = createTrace();
  const names = algorithm.slots(group.options);
  const slots = Object.fromEntries(names.map((name, i) => [name, leaf(`old${i}`)]));
  const entry = { name: '', group: 0, gradient: leaf('gradient0'), slots, step, weightDecay };
  const norm = algorithm.accumulate?.(ops, entry, group.options) ?? null;
  const parameter = algorithm.apply(ops, leaf('parameter0'), entry, leaf('rate'), group.options);
  return { numbers, norm, slots: entry.slots, parameter };
}

/** Places of the numbers that are not the same in all traces, or that WGSL cannot write down. */
function varying(traces: readonly (readonly TracedNumber[])[]): number[] {
  const [first = []] = traces;
  return first.flatMap(({ value, varies }, i) =>
    varies || !Number.isFinite(value) || traces.some((numbers) => numbers[i]?.value !== value) ? [i] : [],
  );
}

function traceRule(algorithm: Algorithm, group: Group): Pick<Program, 'rule' | 'ruleNumbers'> {
  if (!algorithm.effectiveLearningRate) return { rule: undefined, ruleNumbers: [] };
  const { ops, numbers } = createTrace();
  const rate = algorithm.effectiveLearningRate(ops, leaf('rate'), leaf('norm'), group.options);
  const writer = new Writer((i) => `bitcast<f32>(control[numbers + ${i}u])`);
  const result = writer.write(rate);
  return { rule: { lines: writer.lines, result }, ruleNumbers: numbers.map(({ value }) => value) };
}

/**
 * Traces a group of an algorithm.
 *
 * @param names - the group's parameters.
 * @throws VRAdamError `ERR_UNSUPPORTED` if its norm is not the sum of one tensor, or its step needs what only a
 *   tensor's own numbers say.
 */
export function createProgram(
  { algorithm, decays }: OptimizerSpec,
  group: Group,
  names: readonly string[],
): Program {
  const decay = group.options.weightDecay;
  const someDecay = decay !== 0 && names.some(decays);
  const decayOf = (weightDecay: number): number =>
    someDecay && weightDecay === 0 ? maskedDecay : weightDecay;
  const decayValues = new Set(names.map((name) => decayOf(decays(name) ? decay : 0)));
  // a number may hold from the second or third step on, as the dampening of SGD
  const traces = [decay, ...decayValues].flatMap((value) =>
    [1, 2, 3].map((step) => traceStep(algorithm, group, step, someDecay ? value : 0)),
  );
  const [whole] = traces as [TracedStep];
  const places = varying(traces.map(({ numbers }) => numbers));
  const nameOf = (i: number): string =>
    places.includes(i) ? `c${places.indexOf(i)}` : literal(whole.numbers[i]?.value as number);

  let measure: Program['measure'];
  if (whole.norm) {
    if (!whole.norm.isSum)
      fail('ERR_UNSUPPORTED', `the norm of ${show(algorithm.name)} must be one sumPower().`);
    const writer = new Writer(nameOf);
    measure = { results: { norm: writer.write(whole.norm) }, lines: writer.lines };
  }
  const writer = new Writer(nameOf);
  const moved = Object.entries({ ...whole.slots, parameter: whole.parameter });
  const results = Object.fromEntries(moved.map(([name, value]) => [name, writer.write(value)]));

  return {
    slots: algorithm.slots(group.options),
    columns: places.length,
    row(step, weightDecay) {
      const { numbers } = traceStep(algorithm, group, step, decayOf(weightDecay));
      return places.map((i) => numbers[i]?.value as number);
    },
    measure,
    move: { lines: writer.lines, results },
    ...traceRule(algorithm, group),
  };
}
