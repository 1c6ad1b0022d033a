/**
 * The core's operations, written down instead of computed: an algorithm that runs over them leaves the expressions of
 * its step, and a kernel is made of those. So the rules stand once, in the core, also for algorithms of a user's own.
 */

import type { Scalar, TensorOps } from '@vradam/core';
import { fail } from './errors.ts';

/** An expression: a `vec4f` of a tensor's elements, or an `f32`. */
export interface Value {
  /** WGSL, given the names of its inputs. */
  readonly code: (...inputs: string[]) => string;
  /** What it is computed from. */
  readonly inputs: readonly Value[];
  /** Place of a host number in {@link Trace.numbers}. */
  readonly number?: number;
  /** Whether it is a sum over all elements of a tensor. Its `code` is what one `vec4f` adds to that. */
  readonly isSum?: boolean;
}

/** A host number that came up in a trace. */
export interface TracedNumber {
  readonly value: number;
  /** Whether it may differ from step to step. */
  readonly varies: boolean;
}

/** Operations, and the numbers that they met, in order. */
export interface Trace {
  readonly ops: TensorOps<Value, Value>;
  readonly numbers: readonly TracedNumber[];
}

/** A value that is just named: a tensor's elements, or a scalar. */
export const leaf = (name: string): Value => ({ code: () => name, inputs: [] });

/** `a x`, without the multiplication where `a` is written as 1. */
const times = (a: string, x: string): string => (a === '1f' ? x : a === '-1f' ? `-${x}` : `${a} * ${x}`);

/** What one element, or one `vec4f`, adds to `sum |x|^power`; products where they will do, as `pow` keeps fewer digits. */
export function powerOf(power: number): (x: string) => string {
  if (power === 1) return (x) => `abs(${x})`;
  if (power === 2) return (x) => `${x} * ${x}`;
  if (power === 3) return (x) => `abs(${x}) * ${x} * ${x}`;
  if (power === 4) return (x) => `(${x} * ${x}) * (${x} * ${x})`;
  return (x) => `exp2(${literal(power)} * log2(abs(${x})))`; // `pow`, of a number as of a vector
}

const never = (what: string) => (): never =>
  fail('ERR_UNSUPPORTED', `${what} is not possible inside a step on WebGPU.`);

/** Operations that write down what is asked of them. */
export function createTrace(): Trace {
  const numbers: TracedNumber[] = [];
  const value = (code: Value['code'], ...inputs: Value[]): Value => ({ code, inputs });
  const number = (x: number, varies: boolean): Value => {
    const index = numbers.push({ value: x, varies }) - 1;
    return { code: String, inputs: [], number: index };
  };
  const lift = (x: Scalar<Value>): Value => (typeof x === 'number' ? number(x, false) : x);
  const scalar =
    (code: (a: string, b: string) => string) =>
    (a: Scalar<Value>, b: Scalar<Value>): Value =>
      value(code as Value['code'], lift(a), lift(b));

  const ops: TensorOps<Value, Value> = {
    name: 'webgpu',
    dtype: 'float32',
    scalars: {
      of: (x) => number(x, true),
      add: scalar((a, b) => `${a} + ${b}`),
      mul: scalar((a, b) => times(a, b)),
      div: scalar((a, b) => `${a} / ${b}`),
      min: scalar((a, b) => `lesser(${a}, ${b})`),
      sqrt: (a) => value((x) => `sqrt(${x})`, a),
      sum: (terms) => value((...names) => names.join(' + '), ...terms),
    },
    fromArray: never('fromArray()'),
    toArray: never('toArray()'),
    readScalar: never('readScalar()'),
    shape: never('shape()'),
    zerosLike: () => value(() => 'vec4f()'),
    axpby: (a, x, b, y) =>
      value(
        (a, x, b, y) => `${times(a as string, x as string)} + ${times(b as string, y as string)}`,
        lift(a),
        x,
        lift(b),
        y,
      ),
    affine: (a, x, b) => value((a, x, b) => `${times(a as string, x as string)} + ${b}`, lift(a), x, lift(b)),
    mul: (x, y) => value((x, y) => `${x} * ${y}`, x, y),
    div: (x, y) => value((x, y) => `${x} / ${y}`, x, y),
    sqrt: (x) => value((x) => `sqrt(${x})`, x),
    sumPower: (x, power) => ({ ...value(powerOf(power) as Value['code'], x), isSum: true }),
    replace: (_, next) => next,
    tidy: (scope) => scope(),
    dispose() {},
  };
  return { ops, numbers };
}

/** Writes values as lines of WGSL, each value once. */
export class Writer {
  /** `let` statements, in order. */
  readonly lines: string[] = [];
  readonly #names = new Map<Value, string>();
  readonly #nameOf: (number: number) => string;

  /** @param nameOf - how a host number is written, by its place in the trace. */
  constructor(nameOf: (number: number) => string) {
    this.#nameOf = nameOf;
  }

  /** The name of a value, after the lines that compute it. */
  write(x: Value): string {
    if (x.number !== undefined) return this.#nameOf(x.number);
    const known = this.#names.get(x);
    if (known !== undefined) return known;
    const inputs = x.inputs.map((input) => {
      if (input.isSum) never('a sum that moves a tensor')();
      return this.write(input);
    });
    const name = `x${this.#names.size}`;
    this.#names.set(x, name);
    this.lines.push(`let ${name} = ${x.code(...inputs)};`);
    return name;
  }
}

/** A number as WGSL writes it; it must be finite. */
export const literal = (x: number): string => `${Math.fround(x)}f`;
