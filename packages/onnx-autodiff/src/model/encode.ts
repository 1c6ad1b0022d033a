/** Writes ONNX files. */

import { fail } from '../errors.ts';
import type { Attribute, DataType, Dim, Model, NodeSpec, ValueSpec } from './model.ts';
import { dataTypeNumbers, encodeTensor, kinds, typeAttributes } from './tensorProto.ts';
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
const typeNumber = (dtype: string): number =>
  Object.hasOwn(dataTypeNumbers, dtype)
    ? dataTypeNumbers[dtype as DataType]
    : fail('ERR_MODEL_INVALID', `an element type must be known. Received: ${JSON.stringify(dtype)}.`);

/** What an attribute's type is called in the file, and what it holds there. */
function contentOf(name: string, { type, value }: Attribute): [kind: string, content: object] {
  switch (type) {
    case 'int':
      return ['INT', { i: toInt(value) }];
    case 'float':
      return ['FLOAT', { f: toFloat(value) }];
    case 'string':
      return typeAttributes.has(name)
        ? ['INT', { i: typeNumber(value) }]
        : ['STRING', { s: encodeText(value) }];
    case 'tensor':
      return ['TENSOR', { t: encodeTensor(value, '') }];
    case 'ints':
      return ['INTS', { ints: value.map(toInt) }];
    case 'floats':
      return ['FLOATS', { floats: value.map(toFloat) }];
    case 'strings':
      return ['STRINGS', { strings: value.map(encodeText) }];
    default:
      return fail(
        'ERR_OPERATOR_UNSUPPORTED',
        `attribute ${JSON.stringify(name)} cannot be written. Received: ${type} ${value}.`,
      );
  }
}

function writeAttribute(name: string, attribute: Attribute) {
  const [kind, content] = contentOf(name, attribute);
  return { name, type: kinds.indexOf(kind), ...content };
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
