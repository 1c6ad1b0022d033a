/** What this package knows of an operator: the types of its outputs, and its gradient. */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Node, Value } from '../graph/value.ts';
import type { Attributes, DataType, Dim, Shape } from '../model/model.ts';

/** An operator about to be applied. */
export interface Call {
  /** Operator. */
  readonly op: string;
  /** Its inputs; undefined is one left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** Its attributes. */
  readonly attributes: Attributes;
  /** How many outputs are asked for. */
  readonly outputCount: number;
  /** Version of the operator set. */
  readonly opset: number;
  /** Makes up a name for a dimension that only running the model can tell. */
  readonly fresh: () => Dim;
}

/** Type of an output. */
export interface TypeInfo {
  /** Element type. */
  readonly dtype: DataType | undefined;
  /** Shape, as far as it can be known. */
  readonly shape: Shape | undefined;
  /** Elements, if they are few integers or booleans that can be known now. */
  readonly ints?: readonly Dim[] | undefined;
}

/** Types of all outputs of a call. Throws `ERR_SHAPE_MISMATCH`, `ERR_MODEL_INVALID` on a call that makes no sense. */
export type Infer = (call: Call) => readonly TypeInfo[];

/** A differentiable node on the way back. */
export interface Backward {
  /** The graph, to which the rule adds the nodes of the gradient. */
  readonly g: GraphBuilder;
  /** The node. */
  readonly node: Node;
  /** Its inputs. Rules that have checked for an optional one may index freely. */
  readonly inputs: readonly Value[];
  /** Its outputs. */
  readonly outputs: readonly Value[];
  /** Gradient of the loss by each output, shaped like it; undefined where the loss does not depend on it. */
  readonly gradients: readonly (Value | undefined)[];
  /** Gradient by the first output, for operators with only one. */
  readonly dy: Value;
  /** True if the gradient by this input is wanted; others may be left undefined. */
  needs(input: number): boolean;
}

/**
 * The reverse-mode rule of an operator: gradient of the loss by each input, shaped like it; undefined is zero.
 * It may consist of any operators that have rules themselves, so that it can be differentiated again.
 */
export type Rule = (backward: Backward) => readonly (Value | undefined)[];

/** An operator. */
export interface Operator {
  /**
   * How many inputs it cannot do without, or that it takes any number of which none may be left out. A call without them
   * is `ERR_MODEL_INVALID`, so that a rule may index them freely. Default 1; 0 outside of ONNX's own domain.
   */
  readonly inputs?: number | 'all';
  /** Types of its outputs. */
  readonly infer: Infer;
  /** Its rule; `'zero'` if its outputs do not move when its inputs do (comparisons, shapes, roundings). */
  readonly gradient: Rule | 'zero';
  /** Turns a call in a file, of operator set 13 or later, into the form that this package emits, or into its results. */
  readonly upgrade?: (g: GraphBuilder, call: Call, opset: number) => Call | readonly Value[];
  /** Its results from other operators, where those and their gradients are faster; undefined keeps the node. */
  readonly rewrite?: (g: GraphBuilder, call: Call) => readonly Value[] | undefined;
}

/** Operators by name. */
export type OperatorTable = Readonly<Record<string, Operator>>;
