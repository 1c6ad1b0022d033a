/**
 * The messages of an ONNX file.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for numbers and kinds of the fields
 */

/** A field of a message. */
export interface Field {
  /** Its number. */
  readonly number: number;
  /** The number and its wire type, as they are written. */
  readonly tag: number;
  /** Property that holds it; `''` if nobody asks: it is checked, then dropped. */
  readonly name: string;
  /** A letter of {@link wireTypes}, or the name of a message. */
  readonly kind: string;
  /** Its largest value, if it is an enumeration: others are as if they were not there. */
  readonly last: number | undefined;
  /** Wire type of one of it. */
  readonly wire: number;
  /** True if there may be many. */
  readonly isList: boolean;
  /** True if it is one of several that exclude each other: the property `which` has the number of the last. */
  readonly isChoice: boolean;
}

/** A message. */
export interface MessageType {
  /** Fields by their numbers. */
  readonly fields: readonly (Field | undefined)[];
  /** Fields by their names; of choices, any. */
  readonly named: ReadonlyMap<string, Field>;
  /** A message in which nothing is said. */
  readonly empty: Readonly<Record<string, unknown>>;
}

/**
 * Fields as `number kind name`, `*` for many, `?` for a choice. Small letters: `i` int64 as a safe number, `l` int64
 * and `u` uint64 as bigints, `n` int32, `f` float, `d` double, `s` text, `b` bytes, `t` type of an attribute, `p`
 * place of data.
 */
const table: Readonly<Record<string, string>> = {
  Model:
    '1i irVersion,2s producerName,3s,4s,5i,6s docString,7Graph graph,8*Opset opsetImport,14*Entry metadataProps,20*Training,25*Function functions,26*Device',
  Graph:
    '1*Node node,2s name,5*Tensor initializer,10s,11*Value input,12*Value output,13*Value valueInfo,14*Annotation,15*Sparse sparseInitializer,16*Entry',
  Node: '1*s input,2*s output,3s name,4s opType,5*Attribute attribute,6s,7s domain,8s,9*Entry,10*Placement',
  Attribute:
    '1s name,2f float,3i int,4b string,5Tensor tensor,6Graph,7*f floats,8*i ints,9*b strings,10*Tensor,11*Graph,13s,14Type,15*Type,20t type,21s refAttrName,22Sparse,23*Sparse',
  Tensor:
    '1*i dims,2n dataType,3Segment,4*f floatData,5*n int32Data,6*b stringData,7*l int64Data,8s name,9b rawData,10*d doubleData,11*u uint64Data,12s,13*Entry externalData,14p dataLocation,16*Entry',
  Segment: '1i,2i',
  Sparse: '1Tensor,2Tensor,3*i',
  Value: '1s name,2Type type,3s,4*Entry',
  Type: '1?TensorType value,4?Holder value,5?MapType value,6s,8?TensorType value,9?Holder value',
  TensorType: '1n elemType,2Shape shape',
  Holder: '1Type elemType',
  MapType: '1n,2Type',
  Shape: '1*Dim dim',
  Dim: '1?i value,2?s value,3s',
  Opset: '1s domain,2i version',
  Entry: '1s key,2s value',
  Function:
    '1s name,4*s input,5*s output,6*s,7*Node node,8s,9*Opset,10s domain,11*Attribute attributeProto,12*Value,13s,14*Entry',
  Training: '1Graph,2Graph,3*Entry,4*Entry',
  Annotation: '1s,2*Entry',
  Device: '1s,2n,3*s',
  Placement: '1s,2*Sharding,3n',
  Sharding: '1s,2*i,3*Group,4*ShardedDim',
  Group: '1i,2*i',
  ShardedDim: '1i,2*Parts',
  Parts: '1?i,2?s,3i',
};

/** Wire types of the kinds that are not 0, a varint: 8 bytes, 4 bytes; everything else has a length. */
const wireTypes: Readonly<Record<string, number>> = { i: 0, l: 0, u: 0, n: 0, t: 0, p: 0, d: 1, f: 5 };
/** The largest value of the kinds that are enumerations. */
const enumEnds: Readonly<Record<string, number>> = { t: 14, p: 1 };
const zeros: Readonly<Record<string, unknown>> = { s: '', b: new Uint8Array(), i: 0, n: 0, f: 0, t: 0, p: 0 };

/** What a list is until something is put in. */
export const none: readonly never[] = Object.freeze([]);

function toField(text: string): Field {
  const [, number, mark, kind = '', name = ''] = /^(\d+)(\W?)(\w+) ?(\w*)$/.exec(text) ?? [];
  const wire = wireTypes[kind] ?? 2;
  const tag = Number(number) * 8 + wire;
  const last = enumEnds[kind];
  return { number: tag >> 3, tag, name, kind, last, wire, isList: mark === '*', isChoice: mark === '?' };
}

function compile(type: string): MessageType {
  const fields: Field[] = [];
  const named = new Map<string, Field>();
  const empty: Record<string, unknown> = {};
  for (const field of (table[type] as string).split(',').map(toField)) {
    fields[field.number] = field;
    if (field.isChoice) empty['which'] = 0;
    if (field.name !== '') {
      named.set(field.name, field);
      empty[field.name] = field.isList ? none : field.isChoice ? undefined : zeros[field.kind];
    }
  }
  return { fields, named, empty };
}

const compiled = new Map<string, MessageType>();

/** The fields of a message. */
export function messageType(name: string): MessageType {
  const known = compiled.get(name);
  if (known) return known;
  const type = compile(name);
  compiled.set(name, type);
  return type;
}

/** A key and a value. */
export interface EntryProto {
  readonly key: string;
  readonly value: string;
}

/** A tensor. */
export interface TensorProto {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
  readonly floatData: readonly number[];
  readonly doubleData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly bigint[];
  readonly uint64Data: readonly bigint[];
  readonly stringData: readonly Uint8Array[];
  readonly externalData: readonly EntryProto[];
  /** 1 if the tensor lies beside the file. */
  readonly dataLocation: number;
}

/** An attribute; `type` says which of its fields counts. */
export interface AttributeProto {
  readonly name: string;
  readonly refAttrName: string;
  readonly type: number;
  readonly float: number;
  readonly int: number;
  readonly string: Uint8Array;
  readonly tensor?: TensorProto;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly strings: readonly Uint8Array[];
}

/** A node. */
export interface NodeProto {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeProto[];
}

/** Type of a tensor. */
export interface TensorTypeProto {
  readonly elemType: number;
  readonly shape?: { readonly dim: readonly { readonly value?: number | string }[] };
}

/** Type of a value: `which` is 1 for a tensor, 4 for a sequence. */
export type TypeProto =
  | { readonly which: 1; readonly value: TensorTypeProto }
  | { readonly which: 0 | 4 | 5 | 8 | 9; readonly value?: unknown };

/** A value's name and type. */
export interface ValueProto {
  readonly name: string;
  readonly type?: TypeProto;
}

/** A version of a set of operators. */
export interface OpsetProto {
  readonly domain: string;
  readonly version: number;
}

/** A function. */
export interface FunctionProto {
  readonly name: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly node: readonly NodeProto[];
  readonly attributeProto: readonly AttributeProto[];
}

/** A graph. */
export interface GraphProto {
  readonly name: string;
  readonly node: readonly NodeProto[];
  readonly initializer: readonly TensorProto[];
  readonly sparseInitializer: readonly unknown[];
  readonly input: readonly ValueProto[];
  readonly output: readonly ValueProto[];
  readonly valueInfo: readonly ValueProto[];
}

/** A model. */
export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly docString: string;
  readonly graph?: GraphProto;
  readonly opsetImport: readonly OpsetProto[];
  readonly metadataProps: readonly EntryProto[];
  readonly functions: readonly FunctionProto[];
}
