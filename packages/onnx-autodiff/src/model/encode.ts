/** Writes ONNX files. */

import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { fail } from '../errors.ts';
import type { Attribute, DataType, Dim, Model, NodeSpec, ValueSpec } from './model.ts';
import { dataTypeNumbers, encodeTensor, typeAttributes } from './tensorProto.ts';
import { encodeText } from './utf8.ts';

/** An integer as ONNX holds it. */
const toInt = (value: number): bigint =>
  Number.isSafeInteger(value)
    ? BigInt(value)
    : fail('ERR_MODEL_INVALID', `integers and sizes must be whole numbers below 2^53. Received: ${value}.`);

function writeAttribute(name: string, attribute: Attribute): AttributeProto {
  const { type, value } = attribute;
  switch (type) {
    case 'int':
      return create(AttributeProtoSchema, { name, type: Kind.INT, i: toInt(value) });
    case 'float':
      return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value });
    case 'string':
      if (typeAttributes.has(name)) {
        return create(AttributeProtoSchema, {
          name,
          type: Kind.INT,
          i: BigInt(typeNumber(value)),
        });
      }
      return create(AttributeProtoSchema, { name, type: Kind.STRING, s: encodeText(value) });
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: encodeTensor(value, '') });
    case 'ints':
      return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(toInt) });
    case 'floats':
      return create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: [...value] });
    case 'strings':
      return create(AttributeProtoSchema, { name, type: Kind.STRINGS, strings: value.map(encodeText) });
    default:
      return fail(
        'ERR_OPERATOR_UNSUPPORTED',
        `attribute ${JSON.stringify(name)} cannot be written. Received: ${type} ${value}.`,
      );
  }
}

function writeNode({ op, domain, name, inputs, outputs, attributes }: NodeSpec): NodeProto {
  return create(NodeProtoSchema, {
    opType: op,
    domain,
    name,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([key, value]) => writeAttribute(key, value)),
  });
}

/** ONNX's number of an element type. */
const typeNumber = (dtype: string): number =>
  Object.hasOwn(dataTypeNumbers, dtype)
    ? dataTypeNumbers[dtype as DataType]
    : fail('ERR_MODEL_INVALID', `an element type must be known. Received: ${JSON.stringify(dtype)}.`);

function writeDim(dim: Dim) {
  const value =
    typeof dim === 'number'
      ? ({ case: 'dimValue', value: toInt(dim) } as const)
      : ({ case: 'dimParam', value: dim } as const);
  return create(TensorShapeProto_DimensionSchema, { value });
}

function writeValue({ name, dtype, shape, sequence = false }: ValueSpec): ValueInfoProto {
  if (!dtype) return create(ValueInfoProtoSchema, { name });
  const tensor = create(TypeProto_TensorSchema, {
    elemType: typeNumber(dtype),
    ...(shape ? { shape: create(TensorShapeProtoSchema, { dim: shape.map(writeDim) }) } : {}),
  });
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } });
  if (!sequence) return create(ValueInfoProtoSchema, { name, type });
  const list = create(TypeProto_SequenceSchema, { elemType: type });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'sequenceType', value: list } }),
  });
}

/** Bytes of an ONNX file. Throws `ERR_OPERATOR_UNSUPPORTED` for attributes that only a file can hold. */
export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  if (model.functions.length > 0)
    fail(
      'ERR_OPERATOR_UNSUPPORTED',
      `functions must be inlined before writing. Received: ${model.functions.length}.`,
    );
  const opsets = [['', model.opset], ...Object.entries(model.otherOpsets)] as [string, number][];
  const proto = create(ModelProtoSchema, {
    irVersion: BigInt(model.irVersion),
    producerName: model.producer,
    docString: model.doc,
    opsetImport: opsets.map(([domain, version]) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
    ),
    metadataProps: Object.entries(model.metadata).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
    graph: create(GraphProtoSchema, {
      name: model.name,
      node: model.nodes.map(writeNode),
      initializer: [...model.initializers].map(([name, tensor]) => encodeTensor(tensor, name)),
      input: model.inputs.map(writeValue),
      output: model.outputs.map(writeValue),
      valueInfo: model.values.map(writeValue),
    }),
  });
  return toBinary(ModelProtoSchema, proto);
}
