/**
 * Operations of the core that run on onnxruntime: they are written down as nodes, and run as one graph when a number is
 * read. It is how the conformance suite holds the traced step against the goldens.
 */

import type { Scalar, TensorOps } from '@vradam/core';
import { buildModel, encodeModel, GraphBuilder, sizeOf, type Value } from '@vradam/onnx-autodiff/lazy';
import { fail } from './errors.ts';
import { createGraphOps } from './ops.ts';
import {
  type OpenModel,
  type OrtTensor,
  type OrtTensors,
  openModel,
  type Runtime,
  toOrt,
} from './runtime.ts';

/** What a tensor holds: a value of a graph being written, its numbers once that has run, or both. */
interface Cell {
  value: Value | undefined;
  graph: GraphBuilder | undefined;
  data: Float32Array | undefined;
}

/** A tensor that may not have been computed yet. */
export class LazyTensor {
  /** Shape. */
  readonly shape: readonly number[];
  /** Its contents; another tensor's after a `replace`. */
  cell: Cell;

  constructor(shape: readonly number[], cell: Partial<Cell>) {
    this.shape = shape;
    this.cell = { value: undefined, graph: undefined, data: undefined, ...cell };
  }
}

/** Written but not yet run: the graph, what goes in, and who will want to know its results. */
class LazyGraph {
  #g = new GraphBuilder();
  #inputs = new Map<string, LazyTensor>();
  #flush: Promise<void> = Promise.resolve();
  readonly #runtime: Runtime;
  readonly #live = new Set<LazyTensor>();
  readonly #scopes: Set<unknown>[] = [];
  readonly #sessions = new Map<string, Promise<OpenModel>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get liveTensors(): number {
    return this.#live.size;
  }

  #add(tensor: LazyTensor): LazyTensor {
    this.#live.add(tensor);
    return tensor;
  }

  /** A tensor with numbers, which lives until `dispose`. */
  leaf(data: ArrayLike<number>, shape: readonly number[]): LazyTensor {
    return this.#add(new LazyTensor(shape, { data: Float32Array.from(data) }));
  }

  /** A number, which lives as long as what is written around it. */
  scalar(value: number): LazyTensor {
    const tensor = this.leaf([value], []);
    this.#scopes.at(-1)?.add(tensor);
    return tensor;
  }

  #valueOf(tensor: LazyTensor): Value {
    const { cell, shape } = tensor;
    if (!this.#live.has(tensor)) {
      fail('ERR_DISPOSED', `a tensor was used after it was released. Received: one of shape [${shape}].`);
    }
    if (cell.graph !== this.#g) {
      const name = `input.${this.#inputs.size}`;
      Object.assign(cell, { graph: this.#g, value: this.#g.input(name, 'float32', shape) });
      // the cell, not the tensor: that may be given another one before this runs
      this.#inputs.set(name, Object.assign(new LazyTensor(shape, {}), { cell }));
    }
    return cell.value as Value;
  }

  /** Writes a step down. */
  record(write: (ops: TensorOps<Value, Value>, value: (x: LazyTensor) => Value) => Value): LazyTensor {
    const value = write(
      createGraphOps(this.#g, (number) => this.#g.scalar(number)),
      (x) => this.#valueOf(x),
    );
    const tensor = new LazyTensor(value.shape as readonly number[], { value, graph: this.#g });
    this.#scopes.at(-1)?.add(tensor);
    return this.#add(tensor);
  }

  /** Releases what was made inside and does not leave. */
  tidy<R>(scope: () => R): R {
    const made = new Set<unknown>();
    this.#scopes.push(made);
    try {
      const result = scope();
      for (const kept of Array.isArray(result) ? result : [result]) made.delete(kept);
      return result;
    } finally {
      this.#scopes.pop();
      for (const tensor of made) this.#live.delete(tensor as LazyTensor);
    }
  }

  replace(previous: LazyTensor, next: LazyTensor): LazyTensor {
    previous.cell = next.cell;
    this.#live.delete(next);
    return previous;
  }

  dispose(tensor: LazyTensor): void {
    this.#live.delete(tensor);
  }

  /** The numbers of a tensor; runs everything that was written down. */
  async read(tensor: LazyTensor): Promise<Float32Array> {
    const { cell } = tensor;
    this.#flush = this.#flush.then(() => this.#run());
    await this.#flush;
    return (
      cell.data ?? fail('ERR_DISPOSED', 'a tensor was read after it was released. Received: no numbers.')
    ).slice();
  }

  async #run(): Promise<void> {
    const wanted = [...new Set([...this.#live].map(({ cell }) => cell))].filter(
      ({ data }) => data === undefined,
    );
    if (wanted.length === 0) return;
    const outputs = new Map(wanted.map(({ value }, i) => [`result.${i}`, value as Value]));
    const model = buildModel(this.#g, { outputs, keepInputs: () => false });
    const feeds = model.inputs.map(({ name }) => {
      const { cell, shape } = this.#inputs.get(name) as LazyTensor;
      return [name, toOrt(this.#runtime, 'float32', cell.data as Float32Array, shape)] as const;
    });
    this.#g = new GraphBuilder();
    this.#inputs = new Map();
    const results = await this.#execute(encodeModel(model), Object.fromEntries(feeds));
    wanted.forEach((cell, i) => {
      cell.data = ((results[`result.${i}`] as OrtTensor).data as Float32Array).slice();
    });
  }

  /** The same graph, written again in the next step, uses the same session. */
  async #execute(bytes: Uint8Array, feeds: OrtTensors): Promise<OrtTensors> {
    let key = '';
    for (let i = 0; i < bytes.length; i += 4096) key += String.fromCharCode(...bytes.subarray(i, i + 4096));
    const session = this.#sessions.get(key) ?? openModel(this.#runtime, bytes);
    this.#sessions.set(key, session);
    return (await session).run(feeds);
  }
}

/** The operations, and how many tensors they hold. */
export interface LazyOps extends TensorOps<LazyTensor, LazyTensor> {
  /** Tensors alive now. */
  liveTensors(): number;
}

/** Operations on a runtime. Numbers are read with `toArray` and `readScalar`, which run all that is pending. */
export function createLazyOps(runtime: Runtime): LazyOps {
  const graph = new LazyGraph(runtime);
  type Operand = Scalar<LazyTensor>;
  type Values = (x: LazyTensor) => Value;
  const operand = (value: Values, x: Operand): Scalar<Value> => (typeof x === 'number' ? x : value(x));
  const binary =
    (pick: (ops: TensorOps<Value, Value>) => (a: Scalar<Value>, b: Scalar<Value>) => Value) =>
    (a: Operand, b: Operand): LazyTensor =>
      graph.record((ops, value) => pick(ops)(operand(value, a), operand(value, b)));
  return {
    name: `onnxruntime-${runtime.kind}-graph`,
    dtype: 'float32',
    liveTensors: () => graph.liveTensors,
    scalars: {
      of: (value) => graph.scalar(value),
      add: binary(({ scalars }) => scalars.add),
      mul: binary(({ scalars }) => scalars.mul),
      div: binary(({ scalars }) => scalars.div),
      min: binary(({ scalars }) => scalars.min),
      sqrt: (a) => graph.record(({ scalars }, value) => scalars.sqrt(value(a))),
      sum: (terms) => graph.record(({ scalars }, value) => scalars.sum(terms.map(value))),
    },
    fromArray: (data, shape) => graph.leaf(data, shape),
    toArray: (x) => graph.read(x),
    readScalar: async (x) => (await graph.read(x))[0] as number,
    shape: ({ shape }) => shape,
    zerosLike: ({ shape }) => graph.leaf(new Float32Array(sizeOf(shape)), shape),
    axpby: (a, x, b, y) =>
      graph.record((ops, value) => ops.axpby(operand(value, a), value(x), operand(value, b), value(y))),
    affine: (a, x, b) =>
      graph.record((ops, value) => ops.affine(operand(value, a), value(x), operand(value, b))),
    mul: (x, y) => graph.record((ops, value) => ops.mul(value(x), value(y))),
    div: (x, y) => graph.record((ops, value) => ops.div(value(x), value(y))),
    sqrt: (x) => graph.record((ops, value) => ops.sqrt(value(x))),
    sumPower: (x, power) => graph.record((ops, value) => ops.sumPower(value(x), power)),
    replace: (previous, next) => graph.replace(previous, next),
    tidy: (scope) => graph.tidy(scope),
    dispose: (x) => graph.dispose(x),
  };
}
