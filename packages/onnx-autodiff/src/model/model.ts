/**
 * An ONNX model as plain data: what a file holds, with names for values, before anything is linked.
 *
 * @see https://github.com/onnx/onnx/blob/main/docs/IR.md
 */

/** Element types by their usual names; ONNX calls `float32` FLOAT and `float64` DOUBLE. */
export type DataType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

/** Elements of a tensor. `bool` is a `Uint8Array` of 0 and 1; `float16` and `bfloat16` hold their bits. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[];

/** A constant tensor. */
export interface Tensor {
  /** Element type. */
  readonly dtype: DataType;
  /** Row-major shape; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Elements, as many as the shape says. Shared, never changed by this package. */
  readonly data: TensorData;
}

/**
 * A dimension: a size, or an expression over named sizes in canonical form (`batch`, `2*batch + 1`). Two equal
 * texts are equal sizes.
 */
export type Dim = number | string;

/** Dimensions of a value, outermost first. */
export type Shape = readonly Dim[];

/** An attribute of a node, with the type that ONNX gives it. */
export type Attribute =
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'reference' /** Attribute of the function it stands for. */; readonly value: string }
  /** Subgraphs, sparse tensors, types: kept only to say that they are there. */
  | { readonly type: 'other'; readonly value: string };

/** Attributes by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** A node: one operator, values by name. */
export interface NodeSpec {
  /** Operator, e.g. `Conv`. */
  readonly op: string;
  /** Domain of the operator set; `''` is ONNX's own. */
  readonly domain: string;
  /** Name of the node; may be empty. */
  readonly name: string;
  /** Names of its inputs; `''` is an input left out. */
  readonly inputs: readonly string[];
  /** Names of its outputs; `''` is an output left out. */
  readonly outputs: readonly string[];
  /** Its attributes. */
  readonly attributes: Attributes;
}

/** A value's name and type. */
export interface ValueSpec {
  /** Name of the value. */
  readonly name: string;
  /** Element type, or undefined where the file does not say. */
  readonly dtype: DataType | undefined;
  /** Shape, or undefined where the file does not say. An unnamed dimension has a made-up name. */
  readonly shape: Shape | undefined;
  /** True for a sequence of such tensors. */
  readonly sequence?: boolean;
}

/** A tensor that was stored in another precision than it is computed in. */
export interface Conversion {
  /** Name of the value. */
  readonly name: string;
  /** Precision in the file. */
  readonly from: DataType;
  /** Elements. */
  readonly size: number;
}

/** A function of the model's own, called as if it were an operator. */
export interface FunctionSpec {
  /** Name of the operator it defines. */
  readonly name: string;
  /** Its domain. */
  readonly domain: string;
  /** Names of its inputs. */
  readonly inputs: readonly string[];
  /** Names of its outputs. */
  readonly outputs: readonly string[];
  /** Default values of its attributes. */
  readonly attributes: Attributes;
  /** Its body. */
  readonly nodes: readonly NodeSpec[];
}

/** A whole model. */
export interface Model {
  /** Name of the graph. */
  readonly name: string;
  /** Version of the ONNX file format. */
  readonly irVersion: number;
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  /** Versions of other operator sets, by domain. */
  readonly otherOpsets: Readonly<Record<string, number>>;
  /** Who made it. */
  readonly producer: string;
  /** Free text of the model. */
  readonly doc: string;
  /** Metadata by key; kept. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Inputs, without those that are initializers. */
  readonly inputs: readonly ValueSpec[];
  /** Outputs. */
  readonly outputs: readonly ValueSpec[];
  /** Weights and other constants by name. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Nodes, in any order. */
  readonly nodes: readonly NodeSpec[];
  /** Types the file states for values inside. */
  readonly values: readonly ValueSpec[];
  /** Functions of the model's own. */
  readonly functions: readonly FunctionSpec[];
  /** Initializers and constants that decoding has turned into float32. */
  readonly converted?: readonly Conversion[];
}
