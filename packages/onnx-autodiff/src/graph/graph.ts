/**
 * A linked graph that only grows.
 *
 * Nodes are appended, so their order is a topological order and a cycle cannot be written. A node equal to one that
 * is there is not made twice, integers that are known while building become constants, and operations that change
 * nothing are left out: a gradient built on top of a forward pass shares what that has computed.
 */

import { fail } from '../errors.ts';
import { isStatic } from '../model/dims.ts';
import type { Attribute, Attributes, DataType, Dim, Shape, Tensor } from '../model/model.ts';
import { bytesPerElement, numbersOf, sizeOf, tensor } from '../model/tensors.ts';
import type { Call, OperatorTable, TypeInfo } from '../operators/operator.ts';
import { findOperator } from '../operators/table.ts';
import type { GraphBuilder } from './builder.ts';
import { simplify } from './simplify.ts';
import type { Node, Value } from './value.ts';

/** Options of a graph. */
export interface GraphOptions {
  /** Name in the file. Default `main`. */
  readonly name?: string;
  /** Version of ONNX's operator set, 18 to 24. Default 18. */
  readonly opset?: number;
  /** Operators of your own, by `domain.name` (or the bare name in ONNX's domain). */
  readonly operators?: OperatorTable;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Integer tensors up to this size are followed while building; constants up to this size are shared. */
const smallSize = 1024;
/** No tensor has more axes than this. */
const mostAxes = 256;
/** Operators that give something else each time. */
const random = /^(Random|Bernoulli|Multinomial|Dropout)/;

/** Options of {@link Graph.node}. */
export interface NodeOptions {
  /** Outputs wanted. Default 1. */
  readonly outputs?: number;
  /** Names for the outputs, if they are free. */
  readonly names?: readonly string[];
  /** Types to believe where they cannot be inferred. */
  readonly declared?: readonly (TypeInfo | undefined)[];
  /** Domain of the operator set. Default ONNX's own. */
  readonly domain?: string;
}

/** The growing graph. {@link GraphBuilder} adds the words. */
export class Graph {
  /** Name in the file. */
  readonly name: string;
  /** Version of ONNX's operator set. */
  readonly opset: number;
  /** Operators of the user's own. */
  readonly operators: OperatorTable;
  /** Inputs in the order of making. */
  readonly inputs: Value[] = [];
  /** Outputs by name. */
  readonly outputs: Map<string, Value> = new Map();
  /** Nodes in a topological order. */
  readonly nodes: Node[] = [];
  /** Parameters by name. */
  readonly parameters: Map<string, Value> = new Map();

  readonly #names = new Set<string>();
  readonly #suffixes = new Map<string, number>();
  readonly #known = new Map<string, readonly Value[]>();
  #values = 0;
  #fresh = 0;

  constructor({ name = 'main', opset = 18, operators = {} }: GraphOptions = {}) {
    if (!Number.isInteger(opset) || opset < 18 || opset > 24) {
      fail('ERR_OPTION_RANGE', `opset must be an integer in [18, 24]. Received: ${opset}.`);
    }
    this.name = name;
    this.opset = opset;
    this.operators = operators;
  }

  /** A name that nothing has yet, as close to `wanted` as possible. */
  uniqueName(wanted: string): string {
    let name = wanted;
    let suffix = this.#suffixes.get(wanted) ?? 0;
    while (name === '' || this.#names.has(name)) name = `${wanted}_${++suffix}`;
    if (suffix > 0) this.#suffixes.set(wanted, suffix);
    this.#names.add(name);
    return name;
  }

  /** A dimension of which nothing is known. */
  freshDim(): Dim {
    return `unknown_${++this.#fresh}`;
  }

  #value(
    name: string,
    { dtype, shape, ints }: TypeInfo,
    node?: Node,
    constant?: Tensor,
    isParameter = false,
  ): Value {
    if (shape) checkShape(name, shape);
    return { id: this.#values++, name, dtype, shape, ints, constant, isParameter, node };
  }

  /** What was made for a key before, or is made for it now. */
  protected shared(key: string, make: () => Value): Value {
    const known = this.#known.get(key);
    if (known) return known[0] as Value;
    const made = make();
    this.#known.set(key, [made]);
    return made;
  }

  /** An input of the graph. The name must be free. */
  input(name: string, dtype: DataType, shape: Shape | undefined): Value {
    if (this.#names.has(name))
      fail('ERR_MODEL_INVALID', `a value is made twice. Received: ${JSON.stringify(name)}.`);
    const value = this.#value(this.uniqueName(name), { dtype, shape });
    this.inputs.push(value);
    return value;
  }

  /** A trainable tensor: an initializer whose numbers will change. The name must be free. */
  parameter(name: string, initial: Tensor): Value {
    if (this.#names.has(name))
      fail('ERR_MODEL_INVALID', `a value is made twice. Received: ${JSON.stringify(name)}.`);
    const value = this.#value(this.uniqueName(name), initial, undefined, initial, true);
    this.parameters.set(name, value);
    return value;
  }

  /** A constant tensor; one that is there already, if it is small and equal. */
  constantTensor(value: Tensor, name = 'constant'): Value {
    const { dtype, shape, data } = value;
    const size = sizeOf(shape);
    const known =
      dtype === 'string' || size > smallSize ? undefined : `=${dtype}[${shape}]${data.join()}${signs(value)}`;
    const same = known === undefined ? undefined : this.#known.get(known)?.[0];
    if (same) return same;
    const isInteger = size <= smallSize && /int|bool/.test(dtype);
    const ints = isInteger ? numbersOf(value) : undefined;
    const made = this.#value(this.uniqueName(name), { dtype, shape, ints }, undefined, value);
    if (known !== undefined) this.#known.set(known, [made]);
    return made;
  }

  /**
   * Applies an operator.
   *
   * @returns its outputs: of a new node, of an equal one that is there, or values known without any.
   * @throws VRAdamError `ERR_SHAPE_MISMATCH`, `ERR_MODEL_INVALID` if the inputs do not fit the operator.
   */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    { outputs: outputCount = 1, names = [], declared = [], domain = '' }: NodeOptions = {},
  ): readonly Value[] {
    const operator = findOperator(this.operators, domain, op);
    if (operator) checkInputs(op, operator.inputs ?? (domain === '' ? 1 : 0), inputs);
    const simple = domain === '' && simplify(this as unknown as GraphBuilder, op, inputs, attributes);
    if (simple) return [simple];
    const key = keyOf(domain, op, inputs, attributes, outputCount);
    const known = random.test(op) ? undefined : this.#known.get(key);
    if (known) return known;

    const call: Call = {
      op,
      inputs,
      attributes,
      outputCount,
      opset: this.opset,
      fresh: () => this.freshDim(),
    };
    const inferred = operator?.infer(call) ?? [];
    const types: TypeInfo[] = [];
    for (let i = 0; i < outputCount; i++) types.push(mergeTypes(inferred[i], declared[i]));
    const folded = types.every(({ ints }) => ints) ? types.map((type) => this.#fold(type)) : undefined;
    if (folded?.every((value) => value !== undefined)) {
      this.#known.set(key, folded);
      return folded;
    }

    const node: Mutable<Node> = {
      id: this.nodes.length,
      op,
      domain,
      name: '',
      inputs,
      outputs: [],
      attributes,
    };
    node.outputs = types.map((type, i) => {
      return this.#value(this.uniqueName(names[i] || `${op}_${node.id}`), type, node);
    });
    node.name = (node.outputs[0] as Value).name;
    this.nodes.push(node);
    this.#known.set(key, node.outputs);
    return node.outputs;
  }

  /** Asks a node for more outputs than it has: statistics that its gradient can use. */
  extend(node: Node, outputCount: number): readonly Value[] {
    const call = { ...node, outputCount, opset: this.opset, fresh: () => this.freshDim() };
    const types = findOperator(this.operators, node.domain, node.op)?.infer(call) ?? [];
    const more = types.slice(node.outputs.length, outputCount).map((type, i) => {
      return this.#value(this.uniqueName(`${node.name}_${node.outputs.length + i}`), type, node);
    });
    (node as Mutable<Node>).outputs = [...node.outputs, ...more];
    return node.outputs;
  }

  /** Names a value as an output of the graph. */
  output(name: string, value: Value): void {
    if (this.outputs.has(name))
      fail('ERR_MODEL_INVALID', `an output is made twice. Received: ${JSON.stringify(name)}.`);
    this.outputs.set(name, value);
  }

  /** An integer result that is known as a whole becomes a constant. */
  #fold({ dtype, shape, ints }: TypeInfo): Value | undefined {
    if (!ints || !dtype || !/^(int64|int32|bool)$/.test(dtype) || ints.length > smallSize) return undefined;
    if (!isStatic(shape) || sizeOf(shape) !== ints.length) return undefined;
    if (!ints.every((value) => Number.isSafeInteger(value))) return undefined;
    return this.constantTensor(tensor(dtype, shape, ints as readonly number[]));
  }
}

/** Throws if an operator lacks an input. */
function checkInputs(op: string, needed: number | 'all', inputs: readonly (Value | undefined)[]): void {
  const count = needed === 'all' ? Math.max(1, inputs.length) : needed;
  for (let i = 0; i < count; i++) {
    if (!inputs[i])
      fail('ERR_MODEL_INVALID', `${op} needs input ${i + 1}. Received: ${inputs.length} inputs.`);
  }
}

/** Throws if a shape is none: files may say anything, and so may arithmetic on what they say. */
function checkShape(name: string, shape: Shape): void {
  if (shape.length > mostAxes)
    fail(
      'ERR_LIMIT',
      `${JSON.stringify(name)} must have at most ${mostAxes} axes. Received: ${shape.length}.`,
    );
  const wrong = shape.find((dim) => typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0));
  if (wrong !== undefined)
    fail('ERR_SHAPE_MISMATCH', `${JSON.stringify(name)} must have sizes of at least 0. Received: ${wrong}.`);
}

/** Tells -0 from 0, which `join` does not. */
function signs({ dtype, data }: Tensor): string {
  if (!dtype.startsWith('float') || bytesPerElement(dtype) < 4) return '';
  return (data as Float32Array).some((x) => Object.is(x, -0))
    ? Array.from(data as Float32Array, (x) => (Object.is(x, -0) ? '-' : '+')).join('')
    : '';
}

/** Text that two equal calls have in common; put together by hand, as it is made for every node. */
function keyOf(
  domain: string,
  op: string,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  outputCount: number,
): string {
  let key = `${domain}.${op}:${outputCount}`;
  for (const input of inputs) key += `,${input ? input.id : ''}`;
  for (const name in attributes) key += `|${name}=${attributeText(attributes[name] as Attribute)}`;
  return key;
}

/** Text of an attribute for comparing; tensors by their numbers. */
function attributeText({ type, value }: Attribute): string {
  if (type === 'tensor') return `${value.dtype}[${value.shape}]${value.data}${signs(value)}`;
  return `${type}:${type === 'strings' || type === 'string' ? JSON.stringify(value) : value}`;
}

/** What was inferred, completed by what the file says. */
function mergeTypes(inferred: TypeInfo | undefined, declared: TypeInfo | undefined): TypeInfo {
  return {
    dtype: inferred?.dtype ?? declared?.dtype,
    shape: inferred?.shape ?? declared?.shape,
    ints: inferred?.ints,
  };
}
