/**
 * Damages ONNX files, the same way for the same seed, and sends them through the package. Plain JavaScript, shared by
 * the test and the command line.
 */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';

/**
 * Uniform numbers in [0, 1): mulberry32.
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function openRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const below = (random, n) => Math.floor(random() * n);
const pick = (random, list) => list[below(random, list.length)];

/** @type {Record<string, (bytes: Uint8Array, random: () => number) => Uint8Array>} */
const byteEdits = {
  flip(bytes, random) {
    const copy = new Uint8Array(bytes);
    for (let n = 1 + below(random, 8); n > 0; n--) copy[below(random, copy.length)] ^= 1 << below(random, 8);
    return copy;
  },
  overwrite(bytes, random) {
    const copy = new Uint8Array(bytes);
    const at = below(random, copy.length);
    return copy.fill(pick(random, [0, 0x7f, 0x80, 0xff]), at, at + 1 + below(random, 16));
  },
  truncate: (bytes, random) => bytes.slice(0, below(random, bytes.length)),
  remove(bytes, random) {
    const at = below(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 64))]);
  },
  splice(bytes, random) {
    const [from, to] = [below(random, bytes.length), below(random, bytes.length)];
    const part = bytes.subarray(from, from + 1 + below(random, 256));
    return Buffer.concat([bytes.subarray(0, to), part, bytes.subarray(to)]);
  },
  insert(bytes, random) {
    const at = below(random, bytes.length);
    const noise = Uint8Array.from({ length: 1 + below(random, 32) }, () => below(random, 256));
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
  },
};

const bigints = [
  0n,
  1n,
  2n,
  3n,
  -1n,
  -2n,
  7n,
  64n,
  1000n,
  2n ** 31n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const numbers = [0, 1, 2, 3, -1, 7, 16, 0.5, 1e30, -1e-30, 2 ** 31 - 1, Number.NaN, Infinity, -Infinity];
const texts = [
  '',
  'x',
  '__proto__',
  'constructor',
  'toString',
  '../outside',
  '\0',
  'NaN',
  'a*b + 1',
  '{',
  '\u2603',
];
/** Operators that carry subgraphs or states, and one that is none. */
const strangeOps = ['If', 'Loop', 'Scan', 'LSTM', 'SequenceAt', 'Nonsense'];

/** Names of operators and of all values: what a text may sensibly become. */
function namesIn({ graph }, ops) {
  const values = graph?.node.flatMap(({ input, output }) => [...input, ...output]) ?? [];
  return { ops: [...ops, ...strangeOps], values: values.length > 0 ? values : texts };
}

/** Something else of the same kind. */
function otherScalar(value, random, names) {
  if (typeof value === 'bigint')
    return random() < 0.3 ? value + pick(random, [1n, -1n]) : pick(random, bigints);
  if (typeof value === 'number')
    return random() < 0.3 ? value + pick(random, [1, -1]) : pick(random, numbers);
  if (typeof value === 'boolean') return !value;
  if (value instanceof Uint8Array)
    return value.length > 0 ? pick(random, Object.values(byteEdits))(value, random) : value;
  const kind = random();
  if (kind < 0.15) return pick(random, texts);
  if (kind < 0.2) return value.repeat(1 + below(random, 400));
  return pick(random, kind < 0.5 ? names.ops : names.values);
}

/** Changes which elements a list has. */
function editList(list, random) {
  const [at, from] = [below(random, list.length), below(random, list.length)];
  const kind = below(random, 4);
  if (kind === 0) list.splice(at, 1);
  else if (kind === 1) list.splice(at, 0, structuredClone(list[from]));
  else if (kind === 2) [list[at], list[from]] = [list[from], list[at]];
  else list[at] = structuredClone(list[from]);
}

const isScalar = (value) => typeof value !== 'object' || value instanceof Uint8Array;
const fieldsOf = (message) =>
  Object.keys(message).filter((key) => {
    const value = message[key];
    return !key.startsWith('$') && value !== undefined && !(Array.isArray(value) && value.length === 0);
  });

/** Goes down to some field, and changes it. */
function editField(message, random, names) {
  if (message.dataType === int64 && random() < 0.5) return editIntegers(message, random);
  const fields = fieldsOf(message);
  if (fields.length === 0) return;
  const field = fields.includes('graph') && random() < 0.9 ? 'graph' : pick(random, fields);
  const value = message[field];
  if (Array.isArray(value)) {
    if (random() < 0.2) editList(value, random);
    else {
      const at = below(random, value.length);
      if (isScalar(value[at])) value[at] = otherScalar(value[at], random, names);
      else editField(value[at], random, names);
    }
  } else if (isScalar(value)) message[field] = otherScalar(value, random, names);
  else if (random() < 0.02) delete message[field];
  else editField(value, random, names);
}

/** TensorProto.DataType.INT64: shapes, axes, indices. */
const int64 = 7;

/** Changes an element of a tensor of integers. */
function editIntegers(tensor, random) {
  const data = new BigInt64Array(new Uint8Array(tensor.rawData).buffer, 0, tensor.rawData.length >> 3);
  if (data.length > 0) data[below(random, data.length)] = pick(random, bigints);
  tensor.rawData = new Uint8Array(data.buffer);
}

/** Changes a node so that the graph may still hang together: its operator, an attribute, or where an input comes from. */
function editNode(graph, random, names) {
  const at = below(random, graph.node.length);
  const node = graph.node[at];
  const kind = random();
  if (kind < 0.25) node.opType = pick(random, names.ops);
  else if (kind < 0.5 && node.input.length > 0) {
    const before = [
      ...graph.input.map(({ name }) => name),
      ...graph.initializer.map(({ name }) => name),
      ...graph.node.slice(0, at).flatMap(({ output }) => output),
      '',
    ];
    const from = below(random, node.input.length + 1);
    node.input[from] = pick(random, before);
  } else if (kind < 0.9 && node.attribute.length > 0) editField(pick(random, node.attribute), random, names);
  else if (kind < 0.95) node.attribute.push(...structuredClone(pick(random, graph.node).attribute));
  else editField(node, random, names);
}

/** Changes one to three fields of a file; undefined if what comes out can be no file. */
function editFields(bytes, random, ops) {
  const proto = fromBinary(ModelProtoSchema, bytes);
  const names = namesIn(proto, ops);
  for (let n = 1 + below(random, 3); n > 0; n--) {
    if (proto.graph?.node.length > 0 && random() < 0.7) editNode(proto.graph, random, names);
    else editField(proto, random, names);
  }
  try {
    return toBinary(ModelProtoSchema, proto);
  } catch {
    return undefined;
  }
}

/**
 * A damaged file.
 *
 * @param {Uint8Array} bytes - a file.
 * @param {number} seed - says how.
 * @param {readonly string[]} ops - operators that a node may become.
 * @returns {{ kind: string, bytes: Uint8Array }}
 */
export function mutate(bytes, seed, ops) {
  const random = openRandom(seed);
  if (random() < 0.7) {
    const edited = editFields(bytes, random, ops);
    if (edited) return { kind: 'fields', bytes: edited };
  }
  const kind = pick(random, Object.keys(byteEdits));
  return { kind, bytes: byteEdits[kind](bytes, random) };
}

/**
 * Sends a file through the package: decode, load, differentiate, encode.
 *
 * @param {typeof import('../src/index.ts')} api - the package.
 * @param {Uint8Array} bytes - a file.
 * @returns {{ outcome: string, ms: number, error?: unknown }} `outcome` is `accepted`, the code of a VRAdamError, or
 *   `crash`, which must not happen.
 */
export function attempt(api, bytes) {
  const begin = performance.now();
  const done = (outcome, error) => ({ outcome, ms: performance.now() - begin, error });
  try {
    const model = api.decodeModel(bytes);
    api.loadGraph(model);
    api.encodeModel(api.gradients(model, { loss: api.meanSquaredError() }).model);
    return done('accepted');
  } catch (error) {
    const isOurs = error?.name === 'VRAdamError' && /^ERR_/.test(error.code);
    return done(isOurs ? error.code : 'crash', error);
  }
}
