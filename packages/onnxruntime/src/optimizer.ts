/**
 * The core's step inside a graph.
 *
 * It is run twice. Once over graph values, where it leaves nodes: that is the update that onnxruntime runs. And in every
 * step over placeholders, where it computes nothing but keeps its own books: step counters, schedules, bias corrections.
 * The numbers it asks to lift are the inputs that the graph needs in that step.
 */

import {
  createOptimizer,
  type NamedTensors,
  type Optimizer,
  type OptimizerSpec,
  type OptimizerState,
  type TensorOps,
} from '@vradam/core';
import type { GraphBuilder, Value } from '@vradam/onnx-autodiff/lazy';
import { fail } from './errors.ts';
import { createGraphOps } from './ops.ts';

/** A tensor of which only the shape is known. */
export interface Placeholder {
  /** Shape. */
  readonly shape: readonly number[];
}

/** A number that the core lifted into a step. */
interface Lifted {
  readonly role: string;
  readonly value: number;
}

/** A scalar of which nothing is known. The core takes `null` for a norm that an algorithm does not have. */
type Scalar = object;
const scalar: Scalar = {};

/** Operations that keep shapes and compute nothing; `lifted` receives the numbers of the step. */
function placeholderOps(lifted: (scalar: Lifted) => void): TensorOps<Placeholder, Scalar> {
  const first = (x: Placeholder): Placeholder => ({ shape: x.shape });
  const nothing = (): Scalar => scalar;
  return {
    name: 'placeholder',
    dtype: 'float32',
    scalars: {
      of: (value, role) => {
        lifted({ value, role });
        return scalar;
      },
      add: nothing,
      mul: nothing,
      div: nothing,
      min: nothing,
      sqrt: nothing,
      sum: nothing,
    },
    fromArray: (_, shape) => ({ shape }),
    toArray: () => fail('ERR_UNSUPPORTED', 'a placeholder has no numbers. Received: a request to read one.'),
    readScalar: () =>
      fail('ERR_UNSUPPORTED', 'a placeholder has no numbers. Received: a request to read one.'),
    shape: (x) => x.shape,
    zerosLike: first,
    axpby: (_a, x) => first(x),
    affine: (_a, x) => first(x),
    mul: first,
    div: first,
    sqrt: first,
    sumPower: nothing,
    replace: (_, next) => next,
    tidy: (scope) => scope(),
    dispose: () => {},
  };
}

/** What the brake did to a group, as values of the graph. */
export interface TracedGroup {
  /** Name of the group. */
  readonly group: string;
  /** Rate that its parameters move by. */
  readonly effectiveLearningRate: Value;
  /** Its norm, or null if the algorithm has none. */
  readonly norm: Value | null;
}

/** A step as part of a graph. */
export interface TracedStep {
  /** Inputs for state tensors, by `slot/parameter`. */
  readonly slots: ReadonlyMap<string, Value>;
  /** State tensors after the step, by `slot/parameter`. */
  readonly nextSlots: ReadonlyMap<string, Value>;
  /** Parameters after the step, by name. */
  readonly nextParameters: ReadonlyMap<string, Value>;
  /** What the brake did. */
  readonly groups: readonly TracedGroup[];
  /** For each number that the core lifts in a step, the input that it goes to. */
  readonly scalars: readonly string[];
}

/** Numbers and books of the next step. */
export interface NextStep {
  /** State after the step. */
  readonly state: OptimizerState<Placeholder>;
  /** Base learning rate by group. */
  readonly learningRates: readonly number[];
  /** Numbers in the order in which the core lifts them. */
  readonly lifted: readonly number[];
}

/** Input of a graph for the state tensor `slot/parameter`. */
export const stateInput = (key: string): string => `vradam.state/${key}`;

/** Slot and parameter of a key `slot/parameter`. */
export function splitKey(key: string): readonly [slot: string, name: string] {
  const at = key.indexOf('/');
  return [key.slice(0, at), key.slice(at + 1)];
}

/** Beginning of the name of an input for numbers of a role, whichever parameter they are for. */
const scalarInput = (role: string): string => `vradam.scalar/${role.split('/')[0]}`;

type Shapes = Readonly<Record<string, readonly number[]>>;

const toPlaceholders = (shapes: Shapes): NamedTensors<Placeholder> =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape }]));

/** The books of an optimizer whose tensors are elsewhere. */
export class StepBooks {
  readonly #optimizer: Optimizer<Placeholder, Scalar>;
  readonly #parameters: NamedTensors<Placeholder>;
  readonly #gradients: NamedTensors<Placeholder>;
  #lifted: Lifted[] = [];

  /**
   * @param shapes - of all parameters by name.
   * @param moving - names of those that have a gradient.
   * @throws VRAdamError `ERR_UNSUPPORTED` for what a traced step cannot do.
   */
  constructor(spec: OptimizerSpec, shapes: Shapes, moving: readonly string[]) {
    this.#optimizer = createOptimizer(
      placeholderOps((scalar) => this.#lifted.push(scalar)),
      spec,
    );
    this.#parameters = toPlaceholders(shapes);
    this.#gradients = Object.fromEntries(moving.map((name) => [name, this.#parameters[name] as Placeholder]));
  }

  /** State before the first step. */
  init(): OptimizerState<Placeholder> {
    return this.#optimizer.init(this.#parameters);
  }

  #step(state: OptimizerState<Placeholder>) {
    this.#lifted = [];
    const result = this.#optimizer.update(this.#parameters, this.#gradients, state);
    return { ...result, lifted: this.#lifted };
  }

  /** Keeps the books of one step. */
  next(state: OptimizerState<Placeholder>): NextStep {
    const { state: after, stats, lifted } = this.#step(state);
    return {
      state: after,
      learningRates: stats.map(({ learningRate }) => learningRate),
      lifted: lifted.map(({ value }) => value),
    };
  }

  /** State tensors that exist after a step, with their shapes, by `slot/parameter`. */
  slotShapes(state: OptimizerState<Placeholder>): Shapes {
    const { parameters } = this.#step(state).state;
    return Object.fromEntries(
      [...parameters].flatMap(([name, { slots }]) =>
        Object.entries(slots).map(([slot, { shape }]) => [`${slot}/${name}`, shape] as const),
      ),
    );
  }

  /**
   * Roles of the numbers of a step, merged: parameters that are in the same step of the same group share a bias
   * correction.
   */
  scalarInputs(state: OptimizerState<Placeholder>): readonly string[] {
    const names = new Map<string, string>();
    return this.#step(state).lifted.map(({ role, value }) => {
      const key = `${scalarInput(role)} ${value}`;
      const name = names.get(key) ?? `${scalarInput(role)}.${names.size}`;
      names.set(key, name);
      return name;
    });
  }
}

/**
 * Numbers of a step by input.
 *
 * @returns undefined if two numbers that went to one input differ: parameters are no longer in the same step, and the
 *   graph must be traced anew.
 */
export function scalarFeeds(
  inputs: readonly string[],
  lifted: readonly number[],
): ReadonlyMap<string, number> | undefined {
  const feeds = new Map<string, number>();
  if (inputs.length !== lifted.length) return undefined;
  for (const [i, name] of inputs.entries()) {
    const value = lifted[i] as number;
    if ((feeds.get(name) ?? value) !== value) return undefined;
    feeds.set(name, value);
  }
  return feeds;
}

/** The state as values of the graph. */
function stateInGraph(
  state: OptimizerState<Placeholder>,
  slots: ReadonlyMap<string, Value>,
): OptimizerState<Value> {
  const own = new Map([...state.parameters.keys()].map((name) => [name, {} as Record<string, Value>]));
  for (const [key, value] of slots) {
    const [slot, name] = splitKey(key);
    (own.get(name) as Record<string, Value>)[slot] = value;
  }
  const parameters = [...state.parameters].map(
    ([name, parameter]) => [name, { ...parameter, slots: own.get(name) as Record<string, Value> }] as const,
  );
  return { ...state, parameters: new Map(parameters) };
}

/**
 * Writes the core's step into a graph.
 *
 * @param parameters - values of all parameters, by name.
 * @param gradients - of those that have one.
 * @param state - of the step that is next; only its books are looked at.
 */
export function traceStep(
  g: GraphBuilder,
  spec: OptimizerSpec,
  parameters: ReadonlyMap<string, Value>,
  gradients: ReadonlyMap<string, Value>,
  state: OptimizerState<Placeholder>,
): TracedStep {
  const shapes = Object.fromEntries(
    [...parameters].map(([name, { shape }]) => [name, shape as readonly number[]]),
  );
  const books = new StepBooks(spec, shapes, [...gradients.keys()]);
  const names = books.scalarInputs(state);
  const slots = new Map(
    Object.entries(books.slotShapes(state)).map(([key, shape]) => [
      key,
      g.input(stateInput(key), 'float32', shape),
    ]),
  );
  const inputs = new Map<string, Value>();
  let calls = 0;
  const lift = (_: number, role: string): Value => {
    const name = names[calls++] ?? '';
    if (!name.startsWith(scalarInput(role))) {
      fail(
        'ERR_UNSUPPORTED',
        `two runs of a step must lift the same numbers. Received: ${role} for ${name}.`,
      );
    }
    const value = inputs.get(name) ?? g.input(name, 'float32', []);
    inputs.set(name, value);
    return value;
  };
  const optimizer = createOptimizer(createGraphOps(g, lift), spec);
  const result = optimizer.update(
    Object.fromEntries(parameters),
    Object.fromEntries(gradients),
    stateInGraph(state, slots),
  );
  const nextSlots = [...result.state.parameters].flatMap(([name, { slots: after }]) =>
    Object.entries(after).map(([slot, value]) => [`${slot}/${name}`, value] as const),
  );
  return {
    slots,
    nextSlots: new Map(nextSlots),
    nextParameters: new Map(Object.entries(result.parameters)),
    groups: result.stats.map(({ group, effectiveLearningRate, norm }) => ({
      group,
      effectiveLearningRate,
      norm,
    })),
    scalars: names,
  };
}
