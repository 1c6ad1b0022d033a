/** From a model as a file holds it to a linked graph, and back. */

import { fail } from '../errors.ts';
import type { Model, NodeSpec, Tensor, ValueSpec } from '../model/model.ts';
import type { OperatorTable } from '../operators/operator.ts';
import { checkLoaded, parts } from '../operators/registry.ts';
import { findOperator } from '../operators/table.ts';
import { GraphBuilder } from './builder.ts';
import { sortNodes } from './sort.ts';
import { type Node, tensorOf, type Value } from './value.ts';

/** Options of {@link loadGraph}. */
export interface LoadOptions {
  /** Initializers that are parameters; the others are constants. Default none. */
  readonly isParameter?: (name: string) => boolean;
  /** Operators of your own, by `domain.name`. */
  readonly operators?: OperatorTable;
  /**
   * Whether nodes with parameters may be made of other operators where that is faster: convolutions of many channels
   * are cut in tiles, and their results move by up to 2e-6 of their norm. Default true.
   */
  readonly rewrite?: boolean;
  /**
   * Takes the place of a node.
   *
   * @returns its outputs, or undefined to keep the node.
   */
  readonly replace?: (
    g: GraphBuilder,
    node: NodeSpec,
    inputs: readonly (Value | undefined)[],
  ) => readonly Value[] | undefined;
}

/** A model that has become a graph. */
export interface LoadedGraph {
  /** The graph, with the model's inputs and outputs. */
  readonly g: GraphBuilder;
  /** Values of the graph by their names in the model. */
  readonly values: ReadonlyMap<string, Value>;
  /** The model it came from. */
  readonly model: Model;
}

/** The lowest operator set that this package reads. */
const oldest = 13;
/** The newest. */
const newest = 24;

/**
 * Links a model: names become references, shapes are inferred, operators of older sets become those of today's.
 *
 * @throws VRAdamError `ERR_MODEL_INVALID` on cycles, missing values, subgraphs; `ERR_SHAPE_MISMATCH`.
 */
export function loadGraph(
  model: Model,
  { isParameter = () => false, operators = {}, rewrite = true, replace }: LoadOptions = {},
): LoadedGraph {
  if (model.opset < oldest || model.opset > newest) {
    fail(
      'ERR_MODEL_INVALID',
      `the operator set must be in [${oldest}, ${newest}]. Received: ${model.opset}. Export the model with opset_version=17.`,
    );
  }
  const g = new GraphBuilder({ name: model.name, opset: Math.max(model.opset, 18), operators });
  const values = givenValues(g, model, isParameter);
  const declared = new Map([...model.values, ...model.outputs].map((spec) => [spec.name, spec]));
  for (const node of sortNodes(flatNodes(model), values)) {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : (values.get(name) as Value)));
    const outputs =
      replace?.(g, node, inputs) ?? place(g, node, inputs, { opset: model.opset, declared, rewrite });
    node.outputs.forEach((name, i) => {
      if (name !== '') values.set(name, outputs[i] ?? tooMany(node, outputs.length));
    });
  }
  for (const { name } of model.outputs) {
    g.output(
      name,
      values.get(name) ??
        fail(
          'ERR_MODEL_INVALID',
          `output ${JSON.stringify(name)} is made by no node. Received: a graph of ${model.nodes.length} nodes.`,
        ),
    );
  }
  return { g, values, model };
}

/** The nodes of a model without calls of its own functions. */
function flatNodes(model: Model): readonly NodeSpec[] {
  if (model.functions.length === 0) return model.nodes;
  if (!parts.inlineFunctions) checkLoaded('functions');
  return (parts.inlineFunctions as NonNullable<typeof parts.inlineFunctions>)(model);
}

/** What is there without a node: inputs, parameters, constants. */
function givenValues(
  g: GraphBuilder,
  { inputs, initializers }: Model,
  isParameter: (name: string) => boolean,
): Map<string, Value> {
  const values = new Map<string, Value>();
  for (const { name, dtype, shape } of inputs) {
    if (!dtype) fail('ERR_MODEL_INVALID', `input ${JSON.stringify(name)} must have a type. Received: none.`);
    values.set(name, g.input(name, dtype, shape));
  }
  for (const [name, initial] of initializers) {
    if (values.has(name))
      fail('ERR_MODEL_INVALID', `a value is made twice. Received: ${JSON.stringify(name)}.`);
    values.set(name, isParameter(name) ? g.parameter(name, initial) : g.constantTensor(initial, name));
  }
  return values;
}

function tooMany({ op, name, outputs }: NodeSpec, given: number): never {
  fail(
    'ERR_MODEL_INVALID',
    `${op} ${JSON.stringify(name)} has ${given} outputs. Received: names for ${outputs.length}.`,
  );
}

/** What a node of a file is put into a graph with. */
interface Placing {
  readonly opset: number;
  readonly declared: ReadonlyMap<string, ValueSpec>;
  readonly rewrite: boolean;
}

/** Puts one node of a file into a graph. */
function place(
  g: GraphBuilder,
  spec: NodeSpec,
  inputs: readonly (Value | undefined)[],
  { opset, declared, rewrite }: Placing,
): readonly Value[] {
  const { op, domain, attributes, outputs } = spec;
  const subgraph = Object.entries(attributes).find(([, { type }]) => type === 'other');
  if (subgraph) {
    fail(
      'ERR_OPERATOR_UNSUPPORTED',
      `attributes that are graphs, sparse tensors or types cannot be differentiated through. Received: ${op} ${JSON.stringify(spec.name)} with ${JSON.stringify(subgraph[0])}.`,
    );
  }
  if (op === 'Constant' && domain === '') return [constantOf(g, spec)];
  const call = { op, inputs, attributes, outputCount: outputs.length, opset, fresh: () => g.freshDim() };
  const operator = findOperator(g.operators, domain, op);
  const upgraded = operator?.upgrade?.(g, call, opset) ?? call;
  if (!('op' in upgraded)) return upgraded;
  const rewritten = rewrite ? operator?.rewrite?.(g, upgraded) : undefined;
  if (rewritten) return rewritten;
  return g.node(upgraded.op, upgraded.inputs, upgraded.attributes, {
    outputs: outputs.length,
    names: outputs,
    declared: outputs.map((name) => declared.get(name)),
    domain,
  });
}

/** The tensor of a Constant node. */
function constantOf(g: GraphBuilder, { attributes, outputs: [name = 'constant'] }: NodeSpec): Value {
  const tensor = tensorOf({ attributes }, 'value');
  if (tensor) return g.constantTensor(tensor, name);
  const given = Object.values(attributes)[0];
  if (given?.type === 'int') return g.scalar(given.value, 'int64');
  if (given?.type === 'float') return g.scalar(given.value);
  if (given?.type === 'ints') return g.ints(given.value);
  if (given?.type === 'floats') return g.constant(given.value);
  return fail(
    'ERR_OPERATOR_UNSUPPORTED',
    `a Constant must hold numbers. Received: ${given?.type ?? 'nothing'}.`,
  );
}

/** Options of {@link buildModel}. */
export interface BuildOptions {
  /** Outputs by name. Default: those of the graph. */
  readonly outputs?: ReadonlyMap<string, Value>;
  /** True if parameters become inputs of the model instead of initializers. Default false. */
  readonly parametersAsInputs?: boolean;
  /** Inputs that are kept although nothing uses them. Default: all of the graph. */
  readonly keepInputs?: (name: string) => boolean;
  /** Where producer, documentation and metadata come from. */
  readonly like?: Model;
}

/** Nodes that the outputs depend on, in order. */
export function liveNodes(g: GraphBuilder, outputs: Iterable<Value>): { nodes: Node[]; values: Set<Value> } {
  const values = new Set<Value>(outputs);
  const nodes: Node[] = [];
  for (let i = g.nodes.length; i-- > 0; ) {
    const node = g.nodes[i] as Node;
    if (!node.outputs.some((output) => values.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) if (input) values.add(input);
  }
  return { nodes: nodes.reverse(), values };
}

const toSpec = ({ name, dtype, shape }: Value, named = name): ValueSpec => ({ name: named, dtype, shape });

/**
 * Writes a graph as a model: what the outputs need, and nothing else.
 *
 * An output that is an input, a constant, or named twice goes through an Identity of its own.
 */
export function buildModel(g: GraphBuilder, options: BuildOptions = {}): Model {
  const { outputs = g.outputs, parametersAsInputs = false, keepInputs = () => true, like } = options;
  const { nodes, values } = liveNodes(g, outputs.values());
  const names = nameValues(g, outputs, values);
  const nameOf = (value: Value | undefined): string => (value ? (names.get(value) as string) : '');
  const copies = [...outputs]
    .filter(([name, value]) => nameOf(value) !== name)
    .map(([name, value]) => ({
      op: 'Identity',
      domain: '',
      name,
      inputs: [nameOf(value)],
      outputs: [name],
      attributes: {},
    }));
  // in the order of making, which is that of a reader's expectation
  const ordered = [...values].filter(({ constant }) => constant).sort((a, b) => a.id - b.id);
  const isInput = ({ isParameter }: Value): boolean => isParameter && parametersAsInputs;
  const constants = ordered.filter((value) => !isInput(value));
  const parameters = ordered.filter(isInput);
  const inputs = g.inputs.filter((value) => values.has(value) || keepInputs(value.name));
  return {
    name: g.name,
    irVersion: 8,
    opset: g.opset,
    otherOpsets: otherOpsets(nodes, like),
    producer: like?.producer ?? '@vradam/onnx-autodiff',
    doc: like?.doc ?? '',
    metadata: like?.metadata ?? {},
    inputs: [...inputs, ...parameters].map((value) => toSpec(value)),
    outputs: [...outputs].map(([name, value]) => toSpec(value, name)),
    initializers: new Map(constants.map((value) => [value.name, value.constant as Tensor])),
    nodes: [
      ...nodes.map(({ op, domain, name, attributes, inputs, outputs }) => ({
        op,
        domain,
        name,
        inputs: trimmed(inputs).map(nameOf),
        // a first output must have a name even where only the others are used
        outputs: trimmed(
          outputs.map(
            (value, i) =>
              names.get(value) ?? (i === 0 || needAllOutputs.has(op) ? g.uniqueName(value.name) : undefined),
          ),
        ).map((output) => output ?? ''),
        attributes,
      })),
      ...copies,
    ],
    values: [],
    functions: [],
  };
}

/** Names in the file: an output's name goes to the node that makes it, first come, first served. */
function nameValues(
  g: GraphBuilder,
  outputs: ReadonlyMap<string, Value>,
  values: ReadonlySet<Value>,
): ReadonlyMap<Value, string> {
  const names = new Map<Value, string>();
  for (const [name, value] of outputs) if (value.node && !names.has(value)) names.set(value, name);
  for (const value of values) {
    if (names.has(value)) continue;
    if (outputs.has(value.name) && !value.node) {
      fail(
        'ERR_MODEL_INVALID',
        `an output must not have the name of an input or a constant. Received: ${JSON.stringify(value.name)}.`,
      );
    }
    names.set(value, outputs.has(value.name) ? g.uniqueName(value.name) : value.name);
  }
  return names;
}

/** Operators of which onnxruntime needs all outputs named, whether they are used or not. */
const needAllOutputs = new Set(['Split', 'BatchNormalization']);

/** Without those left out at the end: onnxruntime 1.19 takes a last output without a name for one that is wanted. */
function trimmed<T>(list: readonly (T | undefined)[]): readonly (T | undefined)[] {
  if (list.at(-1) !== undefined) return list;
  return list.slice(0, list.findLastIndex((value) => value !== undefined) + 1);
}

function otherOpsets(nodes: readonly Node[], like: Model | undefined): Record<string, number> {
  const domains = new Set(nodes.map(({ domain }) => domain).filter((domain) => domain !== ''));
  return Object.fromEntries([...domains].map((domain) => [domain, like?.otherOpsets[domain] ?? 1]));
}
