/** Values and nodes of a linked graph: what names are in a file, references are here. */

import type { Attribute, Attributes, DataType, Dim, Shape, Tensor } from '../model/model.ts';

/** A value of a graph: an input, a constant, or an output of a node. Made by a graph, never by hand. */
export interface Value {
  /** Number in its graph, in the order of making. */
  readonly id: number;
  /** Name in the file; unique in the graph. */
  readonly name: string;
  /** Element type; undefined after an operator that this package does not know. */
  readonly dtype: DataType | undefined;
  /** Shape; undefined where not even the number of dimensions is known. */
  readonly shape: Shape | undefined;
  /** Elements, row-major, of a small integer or boolean tensor, as far as they are known while building. */
  readonly ints: readonly Dim[] | undefined;
  /** The tensor, if it is a constant or a parameter's first value. */
  readonly constant: Tensor | undefined;
  /** True for a parameter: a constant that training changes, so that nothing may be concluded from its numbers. */
  readonly isParameter: boolean;
  /** The node it comes from, if any. */
  readonly node: Node | undefined;
}

/** A node of a graph. */
export interface Node {
  /** Number in its graph; inputs come from smaller ones. */
  readonly id: number;
  /** Operator. */
  readonly op: string;
  /** Domain of its operator set; `''` is ONNX's own. */
  readonly domain: string;
  /** Name in the file. */
  readonly name: string;
  /** Inputs; undefined is one left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** Outputs. */
  readonly outputs: readonly Value[];
  /** Attributes, each as given: a missing one has ONNX's default. */
  readonly attributes: Attributes;
}

/** Something with attributes: a node, or a call that is still to become one. */
export interface HasAttributes {
  readonly attributes: Attributes;
}

/** The value of an attribute, if it is there and of that type. */
function read({ attributes }: HasAttributes, name: string, type: Attribute['type']): unknown {
  const attribute = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  return attribute?.type === type ? attribute.value : undefined;
}

/** An integer attribute. */
export const int = (node: HasAttributes, name: string, missing: number): number =>
  (read(node, name, 'int') as number | undefined) ?? missing;
/** A float attribute. */
export const float = (node: HasAttributes, name: string, missing: number): number =>
  (read(node, name, 'float') as number | undefined) ?? missing;
/** A text attribute. */
export const text = (node: HasAttributes, name: string, missing: string): string =>
  (read(node, name, 'string') as string | undefined) ?? missing;
/** A list of integers, or undefined. */
export const ints = (node: HasAttributes, name: string): readonly number[] | undefined =>
  read(node, name, 'ints') as readonly number[] | undefined;
/** A tensor attribute, or undefined. */
export const tensorOf = (node: HasAttributes, name: string): Tensor | undefined =>
  read(node, name, 'tensor') as Tensor | undefined;

/** Attributes as the builder takes them: ONNX's type follows from the value and, for numbers, from the name. */
export type AttributeValues = Readonly<
  Record<string, number | string | boolean | readonly number[] | readonly string[] | Tensor | undefined>
>;

/** Numeric attributes of ONNX that are floats; all others are integers. */
const floatNames = new Set([
  ...['alpha', 'beta', 'gamma', 'lambd', 'bias', 'epsilon', 'momentum', 'ratio', 'threshold', 'value_float'],
  ...[
    'cubic_coeff_a',
    'extrapolation_value',
    'spatial_scale',
    'mean',
    'scale',
    'high',
    'low',
    'seed',
    'softcap',
  ],
]);
/** Lists of numbers that are floats. */
const floatListNames = new Set(['value_floats', 'scales', 'activation_alpha', 'activation_beta']);

function toAttribute(name: string, value: Exclude<AttributeValues[string], undefined>): Attribute {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'int', value: Number(value) };
  if (typeof value === 'number') return { type: floatNames.has(name) ? 'float' : 'int', value };
  if (!Array.isArray(value)) return { type: 'tensor', value: value as Tensor };
  if (typeof value[0] === 'string') return { type: 'strings', value: value as string[] };
  return { type: floatListNames.has(name) ? 'floats' : 'ints', value: value as number[] };
}

/** Gives attribute values their ONNX types; leaves out those that are undefined. */
export function toAttributes(values: AttributeValues): Attributes {
  const attributes: Record<string, Attribute> = {};
  for (const name in values) {
    const value = values[name];
    if (value !== undefined) attributes[name] = toAttribute(name, value);
  }
  return attributes;
}
