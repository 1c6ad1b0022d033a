/**
 * Holds a rule against central differences on onnxruntime-node.
 *
 * The function under test is reduced to a number by a random weighting, `L = sum r y`. Its gradients must agree with
 * `(L(x + h) - L(x - h)) / 2h` for every element, and so must the gradients of `sum q dL/dx` with differences of
 * `sum q dL/dx`: a rule must be right, and what it emits must be differentiable again. In float64 where onnxruntime has
 * double kernels for all operators, else in float32 with a coarser step.
 */

import { expect } from 'vitest';
import {
  backward,
  buildModel,
  type DataType,
  type Dim,
  GraphBuilder,
  type OperatorTable,
  sizeOf,
  type Value,
} from '../src/index.ts';
import { type HostTensor, openModel, type Tensors } from './runtime.ts';

/** A function under test. */
export interface GradientCheck {
  /** Shapes of the float inputs that are differentiated by. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Values of other inputs (indices, labels, masks). */
  readonly fixed?: Tensors;
  /** The function. `y` may have any shape. */
  readonly build: (g: GraphBuilder, values: Readonly<Record<string, Value>>) => Value;
  /** Where inputs lie. Default [-1, 1]; choose it away from kinks. */
  readonly range?: readonly [number, number];
  /** Values of the inputs, instead of random ones. */
  readonly at?: Readonly<Record<string, readonly number[]>>;
  /** Dimensions as the graph knows them, where they are to be less than known: names, or undefined for no shape at all. */
  readonly dims?: Readonly<Record<string, readonly Dim[] | undefined>>;
  /** Whether to differentiate twice. Default true. */
  readonly twice?: boolean;
  /** Element type. Default: float64, and float32 if onnxruntime has no double kernel for something. */
  readonly dtype?: 'float32' | 'float64';
  /** Largest error relative to the largest gradient. Default 1e-6 in float64, 5e-3 in float32. */
  readonly tolerance?: number;
  /** Operators of the test's own. */
  readonly operators?: OperatorTable;
  /** Version of the operator set. Default 18. */
  readonly opset?: number;
  /** Seed of all random numbers. Default 1. */
  readonly seed?: number;
}

/** Uniform numbers in [0, 1): mulberry32. */
export function openRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const arrayOf = { float32: Float32Array, float64: Float64Array };

/** The functional L (or its directional derivative) and its gradients, as one model. */
function buildCheck(check: GradientCheck, dtype: 'float32' | 'float64', order: 1 | 2) {
  const { inputs, fixed = {}, build, dims = {}, operators = {}, opset = 18 } = check;
  const g = new GraphBuilder({ opset, operators });
  const values: Record<string, Value> = {};
  for (const [name, shape] of Object.entries(inputs)) {
    values[name] = g.input(name, dtype, Object.hasOwn(dims, name) ? dims[name] : shape);
  }
  for (const [name, { dtype: type, shape }] of Object.entries(fixed)) {
    values[name] = g.input(name, type as DataType, Object.hasOwn(dims, name) ? dims[name] : shape);
  }
  const y = build(g, values);
  const weigh = (value: Value, name: string): Value =>
    g.reduceSum(g.mul(value, g.input(name, dtype, value.shape)));
  const wrt = Object.keys(inputs).map((name) => values[name] as Value);
  let functional = weigh(y, 'weight');
  let gradients = backward(g, functional, wrt);
  if (order === 2) {
    const terms = gradients.flatMap((gradient, i) =>
      gradient ? [weigh(gradient, `direction.${wrt[i]?.name}`)] : [],
    );
    functional = terms.length === 1 ? (terms[0] as Value) : g.sum(terms);
    gradients = backward(g, functional, wrt);
  }
  const outputs = new Map<string, Value>([['functional', functional]]);
  gradients.forEach((gradient, i) => {
    if (gradient) outputs.set(`${wrt[i]?.name}.gradient`, gradient);
  });
  return { full: buildModel(g, { outputs }), y };
}

/** Random feeds for a model's inputs that are not given yet. */
function fill(
  check: GradientCheck,
  dtype: 'float32' | 'float64',
  random: () => number,
): Record<string, HostTensor> {
  const [low, high] = check.range ?? [-1, 1];
  const feeds: Record<string, HostTensor> = { ...check.fixed };
  for (const [name, shape] of Object.entries(check.inputs)) {
    const given = check.at?.[name];
    const data = Array.from({ length: sizeOf(shape) }, (_, i) => given?.[i] ?? low + (high - low) * random());
    feeds[name] = { dtype, shape, data: arrayOf[dtype].from(data) };
  }
  return feeds;
}

async function shapeOfResult(
  check: GradientCheck,
  dtype: 'float32' | 'float64',
  feeds: Tensors,
): Promise<readonly number[]> {
  const { inputs, fixed = {}, build, operators = {}, opset = 18 } = check;
  const g = new GraphBuilder({ opset, operators });
  const values = Object.fromEntries([
    ...Object.entries(inputs).map(([name, shape]) => [name, g.input(name, dtype, shape)] as const),
    ...Object.entries(fixed).map(([name, t]) => [name, g.input(name, t.dtype as DataType, t.shape)] as const),
  ]);
  g.output('y.shape', g.op('Shape', [build(g, values)]));
  const { 'y.shape': shape } = await (await openModel(buildModel(g)))(feeds);
  return Array.from((shape as HostTensor).data as BigInt64Array, Number);
}

async function checkOrder(check: GradientCheck, dtype: 'float32' | 'float64', order: 1 | 2): Promise<void> {
  const random = openRandom((check.seed ?? 1) * 7919 + order);
  const { full } = buildCheck(check, dtype, order);
  const run = await openModel(full);
  const feeds = fill(check, dtype, random);
  const shape = await shapeOfResult(check, dtype, feeds);
  const draw = (dims: readonly number[]): HostTensor => ({
    dtype,
    shape: dims,
    data: arrayOf[dtype].from(Array.from({ length: sizeOf(dims) }, () => 2 * random() - 1)),
  });
  for (const { name } of full.inputs) {
    if (name === 'weight') feeds[name] = draw(shape);
    else if (name.startsWith('direction.')) feeds[name] = draw(check.inputs[name.slice(10)] as number[]);
  }
  // inputs that the functional does not depend on at this order were dropped from the model
  const known = new Set(full.inputs.map(({ name }) => name));
  const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => known.has(name)));
  const results = await run(given);
  const h = dtype === 'float64' ? 1e-5 : 1e-2;
  const scaleOf = (data: ArrayLike<number>) => Math.max(...Array.from(data, Math.abs));
  for (const [name, tensor] of Object.entries(given)) {
    if (!Object.hasOwn(check.inputs, name)) continue;
    const computed = results[`${name}.gradient`]?.data as ArrayLike<number> | undefined;
    if (results[`${name}.gradient`])
      expect(results[`${name}.gradient`]?.shape, `${name}: shape`).toEqual(tensor.shape);
    const differences: number[] = [];
    for (let i = 0; i < tensor.data.length; i++) {
      const at = async (offset: number) => {
        const moved = (tensor.data as Float64Array).slice();
        moved[i] = (moved[i] as number) + offset;
        const { functional } = await run({ ...given, [name]: { ...tensor, data: moved } });
        return Number((functional as HostTensor).data[0]);
      };
      differences.push(((await at(h)) - (await at(-h))) / (2 * h));
    }
    const scale = Math.max(1e-3, scaleOf(differences));
    const worst =
      differences.reduce((max, d, i) => Math.max(max, Math.abs(d - Number(computed?.[i] ?? 0))), 0) / scale;
    const tolerance = check.tolerance ?? (dtype === 'float64' ? 1e-6 : 5e-3);
    expect(
      worst,
      `order ${order}, ${dtype}: gradient by ${name} ${Array.from(computed ?? [])} against ${differences}`,
    ).toBeLessThan(tolerance);
  }
}

/** Checks a function's first and second derivatives. */
export async function checkGradients(check: GradientCheck): Promise<void> {
  const orders: (1 | 2)[] = check.twice === false ? [1] : [1, 2];
  for (const order of orders) {
    if (check.dtype) {
      await checkOrder(check, check.dtype, order);
      continue;
    }
    const double = await hasDouble(check, order);
    await checkOrder(check, double ? 'float64' : 'float32', order);
  }
}

/** Whether onnxruntime has double kernels for all of it. */
async function hasDouble(check: GradientCheck, order: 1 | 2): Promise<boolean> {
  const { full } = buildCheck(check, 'float64', order);
  return openModel(full).then(
    () => true,
    (error: Error) => {
      if (
        /NOT_IMPLEMENTED|Could not find an implementation|Type '?tensor\(double\)|not supported/i.test(
          error.message,
        )
      )
        return false;
      throw error;
    },
  );
}
