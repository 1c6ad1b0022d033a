/** Reads ONNX files. Everything in them is hostile until it has been checked. */

import { VRAdamError } from '@vradam/core';
import { fail } from '../errors.ts';
import { symbol } from './dims.ts';
import type { ExternalData } from './externalData.ts';
import type {
  Attribute,
  Conversion,
  DataType,
  Dim,
  FunctionSpec,
  Model,
  NodeSpec,
  Tensor,
  ValueSpec,
} from './model.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OpsetProto,
  TensorProto,
  ValueProto,
} from './schema.ts';
import { attributeTypes, dataTypeOf, decodeTensor, typeAttributes } from './tensorProto.ts';
import { isFloat, toFloat32 } from './tensors.ts';
import { decodeText } from './utf8.ts';
import { readMessage } from './wire.ts';

/** Options of {@link decodeModel}. */
export interface DecodeOptions {
  /** Files beside the model that hold its large tensors. */
  readonly externalData?: ExternalData;
  /**
   * Keeps float16, bfloat16 and float64 as they are. Default false: the whole model becomes float32, and
   * `converted` says what was something else.
   */
  readonly keepPrecision?: boolean;
}

/** What decoding needs at hand. */
interface Context {
  readonly external: ExternalData | undefined;
  readonly convert: boolean;
  readonly converted: Conversion[];
}

/** The precision that is computed in. */
const computed = (dtype: DataType | undefined, { convert }: Context): DataType | undefined =>
  convert && isFloat(dtype) ? 'float32' : dtype;

function readTensor(proto: TensorProto, name: string, context: Context): Tensor {
  const stored = decodeTensor(proto, context.external);
  const wanted = context.convert ? toFloat32(stored) : stored;
  if (wanted.dtype !== stored.dtype) {
    context.converted.push({ name, from: stored.dtype, size: stored.data.length });
  }
  return wanted;
}

function readAttribute(proto: AttributeProto, op: string, context: Context): Attribute {
  if (proto.refAttrName !== '') return { type: 'reference', value: proto.refAttrName };
  const type = attributeTypes[proto.type] as string;
  switch (type) {
    case 'int':
      if (!typeAttributes.has(proto.name)) return { type, value: proto.int };
      return { type: 'string', value: computed(dataTypeOf(proto.int), context) ?? '' };
    case 'float':
      return { type, value: proto.float };
    case 'string':
      return { type, value: decodeText(proto.string) };
    case 'tensor':
      if (!proto.tensor) return { type: 'other', value: type };
      return { type, value: readTensor(proto.tensor, `${op}.${proto.name}`, context) };
    case 'ints':
    case 'floats':
      return { type, value: proto[type] };
    case 'strings':
      return { type, value: proto.strings.map((bytes) => decodeText(bytes)) };
    default:
      return { type: 'other', value: type };
  }
}

/** ONNX's own domain has two spellings. */
const toDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

function readNode(proto: NodeProto, context: Context): NodeSpec {
  return {
    op: proto.opType,
    domain: toDomain(proto.domain),
    name: proto.name,
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(
      proto.attribute.map((attribute) => [attribute.name, readAttribute(attribute, proto.opType, context)]),
    ),
  };
}

function readValue({ name, type }: ValueProto, context: Context): ValueSpec {
  if (type?.which !== 1) return { name, dtype: undefined, shape: undefined };
  const { elemType, shape } = type.value;
  const dims = shape?.dim.map(({ value = '' }, axis): Dim => {
    if (typeof value === 'number') return value >= 0 ? value : symbol(`${name}.${axis}`);
    return symbol(value || `${name}.${axis}`);
  });
  return { name, dtype: computed(dataTypeOf(elemType), context), shape: dims };
}

function readFunction(proto: FunctionProto, context: Context): FunctionSpec {
  const defaults = proto.attributeProto.map((attribute): [string, Attribute] => {
    return [attribute.name, readAttribute(attribute, proto.name, context)];
  });
  return {
    name: proto.name,
    domain: toDomain(proto.domain),
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(defaults),
    nodes: proto.node.map((node) => readNode(node, context)),
  };
}

function readOpsets(imports: readonly OpsetProto[]): {
  opset: number;
  otherOpsets: Record<string, number>;
} {
  const versions = imports.map(({ domain, version }) => [toDomain(domain), version] as const);
  const own = versions.find(([domain]) => domain === '')?.[1];
  if (own === undefined)
    fail(
      'ERR_FILE_FORMAT',
      "a model must say which version of ONNX's operators it uses. Received: no opset_import.",
    );
  return { opset: own, otherOpsets: Object.fromEntries(versions.filter(([domain]) => domain !== '')) };
}

function readGraph(proto: GraphProto, context: Context) {
  if (proto.sparseInitializer.length > 0) {
    fail(
      'ERR_FILE_FORMAT',
      `initializers must be dense. Received: ${proto.sparseInitializer.length} sparse ones.`,
    );
  }
  const initializers = new Map(proto.initializer.map((t) => [t.name, readTensor(t, t.name, context)]));
  if (initializers.size < proto.initializer.length)
    fail('ERR_FILE_FORMAT', 'initializers must have different names. Received: a name twice.');
  const inputs = proto.input.map((value) => readValue(value, context));
  return {
    name: proto.name || 'main',
    initializers,
    inputs: inputs.filter(({ name }) => !initializers.has(name)),
    outputs: proto.output.map((value) => readValue(value, context)),
    nodes: proto.node.map((node) => readNode(node, context)),
    values: proto.valueInfo.map((value) => readValue(value, context)),
  };
}

function readModel(proto: ModelProto, context: Context): Model {
  if (!proto.graph) fail('ERR_FILE_FORMAT', 'a model must have a graph. Received: none.');
  return {
    ...readOpsets(proto.opsetImport),
    ...readGraph(proto.graph, context),
    irVersion: proto.irVersion,
    producer: proto.producerName,
    doc: proto.docString,
    metadata: Object.fromEntries(proto.metadataProps.map(({ key, value }) => [key, value])),
    functions: proto.functions.map((f) => readFunction(f, context)),
    converted: context.converted,
  };
}

/**
 * Reads an ONNX model.
 *
 * @param bytes - the file.
 * @throws VRAdamError `ERR_FILE_FORMAT` whatever the bytes may be, `ERR_OPTION_TYPE` if they are none.
 */
export function decodeModel(
  bytes: Uint8Array,
  { externalData, keepPrecision = false }: DecodeOptions = {},
): Model {
  if (!(bytes instanceof Uint8Array))
    fail('ERR_OPTION_TYPE', `decodeModel: bytes must be a Uint8Array. Received: ${typeof bytes}.`);
  try {
    const proto = readMessage<ModelProto>(bytes, 'Model');
    return readModel(proto, { external: externalData, convert: !keepPrecision, converted: [] });
  } catch (cause) {
    if (cause instanceof VRAdamError) throw cause;
    fail(
      'ERR_FILE_FORMAT',
      `these bytes must be an ONNX model. Received: ${bytes.length} bytes (${(cause as Error).message}).`,
      cause,
    );
  }
}
