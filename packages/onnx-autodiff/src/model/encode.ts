/** Writes ONNX files. */

import { fail } from '../errors.ts';
import type { Attribute, Dim, Model, NodeSpec, ValueSpec } from './model.ts';
import { attributeTypes, dataTypeNumber, encodeTensor, typeAttributes } from './tensorProto.ts';
import { encodeText } from './utf8.ts';
import { writeMessage } from './wire.ts';

/** An integer as ONNX holds it. */
const toInt = (value: number): number =>
  Number.isSafeInteger(value)
    ? value
    : fail('ERR_MODEL_INVALID', `integers and sizes must be whole numbers below 2^53. Received: ${value}.`);

/** A float32, which must not become infinite on the way. */
const toFloat = (value: number): number =>
  Number.isFinite(value) && !Number.isFinite(Math.fround(value))
    ? fail('ERR_MODEL_INVALID', `attributes must be within the range of float32. Received: ${value}.`)
    : value;

/** ONNX's number of an element type. */
function typeNumber(dtype: string): number {
  const number = dataTypeNumber(dtype);
  if (number < 1)
    fail('ERR_MODEL_INVALID', `an element type must be known. Received: ${JSON.stringify(dtype)}.`);
  return number;
}

/** An attribute's value as the field of its type holds it. */
function contentOf(name: string, { type, value }: Attribute): unknown {
  switch (type) {
    case 'int':
      return toInt(value);
    case 'float':
      return toFloat(value);
    case 'string':
      return encodeText(value);
    case 'tensor':
      return encodeTensor(value, '');
    case 'ints':
      return value.map(toInt);
    case 'floats':
      return value.map(toFloat);
    case 'strings':
      return value.map(encodeText);
    default:
      return fail(
        'ERR_OPERATOR_UNSUPPORTED',
        `attribute ${JSON.stringify(name)} cannot be written. Received: ${type} ${value}.`,
      );
  }
}

function writeAttribute(name: string, given: Attribute) {
  const isType = given.type === 'string' && typeAttributes.has(name);
  const attribute: Attribute = isType ? { type: 'int', value: typeNumber(given.value) } : given;
  const { type } = attribute;
  return { name, type: attributeTypes.indexOf(type), [type]: contentOf(name, attribute) };
}

const writeNode = ({ op, domain, name, inputs, outputs, attributes }: NodeSpec) => ({
  opType: op,
  domain,
  name,
  input: inputs,
  output: outputs,
  attribute: Object.entries(attributes).map(([key, value]) => writeAttribute(key, value)),
});

const writeDim = (dim: Dim) =>
  typeof dim === 'number' ? { which: 1, value: toInt(dim) } : { which: 2, value: dim };

function writeValue({ name, dtype, shape, sequence = false }: ValueSpec) {
  if (!dtype) return { name };
  const tensor = { elemType: typeNumber(dtype), shape: shape && { dim: shape.map(writeDim) } };
  const type = { which: 1, value: tensor };
  return { name, type: sequence ? { which: 4, value: { elemType: type } } : type };
}

/** Bytes of an ONNX file. Throws `ERR_OPERATOR_UNSUPPORTED` for attributes that only a file can hold. */
export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  if (model.functions.length > 0)
    fail(
      'ERR_OPERATOR_UNSUPPORTED',
      `functions must be inlined before writing. Received: ${model.functions.length}.`,
    );
  const opsets = Object.entries({ '': model.opset, ...model.otherOpsets });
  return writeMessage('Model', {
    irVersion: toInt(model.irVersion),
    producerName: model.producer,
    docString: model.doc,
    opsetImport: opsets.map(([domain, version]) => ({ domain, version: toInt(version) })),
    metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: model.name,
      node: model.nodes.map(writeNode),
      initializer: [...model.initializers].map(([name, tensor]) => encodeTensor(tensor, name)),
      input: model.inputs.map(writeValue),
      output: model.outputs.map(writeValue),
      valueInfo: model.values.map(writeValue),
    },
  });
}
