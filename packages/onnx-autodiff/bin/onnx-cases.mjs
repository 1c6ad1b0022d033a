#!/usr/bin/env node
/**
 * Holds gradient graphs against cases made elsewhere: folders with a model, inputs, and the gradients that another
 * framework finds (schema `vradam-gradient-case/1`). Runs on the built package; needs no file but those of the cases.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crossEntropy, decodeModel, encodeModel, gradients, meanSquaredError } from '../dist/index.js';

const usage = `Usage: onnx-cases DIR [--engine node|web]

Checks gradient graphs against the cases in DIR: every folder in it with case.json, model.onnx and data.bin.

  --engine node   onnxruntime-node (default)
  --engine web    onnxruntime-web's WebAssembly, one thread
  --help          this text

Prints a line for each case: the error of the loss, the largest error of a gradient relative to the largest element
of its tensor, and how long it took to build the graph. Exit code: 0 if all pass, 1 if one fails, 2 on wrong usage.`;

/** Says what is wrong with a case. */
function wrong(message) {
  throw new Error(message);
}

const arrays = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, bool: Uint8Array };
const sizeOf = (shape) => shape.reduce((size, dim) => size * dim, 1);
const isSize = (value) => Number.isSafeInteger(value) && value >= 0;
const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A part of case.json that must be an object. */
const record = (value, name) => (isRecord(value) ? value : wrong(`case.json: ${name} must be an object`));

/** A block of data.bin as a tensor. */
function tensorOf(block, name, data) {
  const { dtype = 'float32', shape, offset, length } = record(block, name);
  const ArrayOf = Object.hasOwn(arrays, dtype) ? arrays[dtype] : undefined;
  if (!ArrayOf) wrong(`case.json: ${name} has the dtype ${dtype}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) wrong(`case.json: ${name} has no shape`);
  if (length !== sizeOf(shape) * ArrayOf.BYTES_PER_ELEMENT)
    wrong(`case.json: ${name} of shape [${shape}] must have another length than ${length}`);
  if (!isSize(offset) || offset + length > data.length)
    wrong(`data.bin ends before ${name} (bytes ${offset} to ${offset + length} of ${data.length})`);
  const copy = data.buffer.slice(data.byteOffset + offset, data.byteOffset + offset + length);
  return { dtype, shape, data: new ArrayOf(copy) };
}

/** All blocks of an object, by name. */
const tensorsOf = (blocks, name, data) =>
  Object.fromEntries(
    Object.entries(record(blocks, name)).map(([key, block]) => [
      key,
      tensorOf(block, `${name}.${key}`, data),
    ]),
  );

/** Losses by kind, with the name of the input for the target. */
const losses = {
  crossEntropy: { target: 'labels', build: (output) => crossEntropy({ logits: output }) },
  mse: { target: 'target', build: (output) => meanSquaredError({ output }) },
};

/** Reads a case; throws what is wrong with it. */
function readCase(folder) {
  const read = (name) => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path) : wrong(`${name} is missing`);
  };
  const text = read('case.json').toString();
  let info;
  try {
    info = record(JSON.parse(text), 'the whole');
  } catch (cause) {
    throw new Error(`case.json is damaged: ${cause.message}`, { cause });
  }
  if (info.schema !== 'vradam-gradient-case/1') wrong(`case.json has the schema ${info.schema}`);
  const kind = record(info.loss, 'loss').kind;
  const loss = Object.hasOwn(losses, kind) ? losses[kind] : wrong(`case.json: the loss ${kind} is unknown`);
  const data = read('data.bin');
  const expected = {
    ...record(info.gradients, 'gradients'),
    ...record(info.inputGradient ?? {}, 'inputGradient'),
  };
  if (Object.keys(expected).length === 0) wrong('case.json: gradients are missing');
  if (!Number.isFinite(info.expectedLoss)) wrong('case.json: expectedLoss is missing');
  return {
    info,
    loss: loss.build(info.output),
    model: read('model.onnx'),
    feeds: { ...tensorsOf(info.feeds, 'feeds', data), [loss.target]: tensorOf(info.target, 'target', data) },
    output: tensorOf(info.expectedOutput, 'expectedOutput', data),
    gradients: tensorsOf(expected, 'gradients', data),
    entries: expected,
  };
}

const maxAbs = (data) => data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);

/** Largest difference to what is expected; a missing tensor is zero. NaN wins. */
function worstDifference(computed, expected, name) {
  if (computed && `${computed.dims}` !== `${expected.shape}`)
    wrong(`${name} has the shape [${computed.dims}] instead of [${expected.shape}]`);
  return expected.data.reduce(
    (worst, value, i) => Math.max(worst, Math.abs((computed?.data[i] ?? 0) - value)),
    0,
  );
}

/** Opens one of onnxruntime's engines: `(bytes, feeds) => outputs`. */
async function openEngine(name) {
  const ort = await (name === 'web' ? import('onnxruntime-web') : import('onnxruntime-node'));
  if (name === 'web') ort.env.wasm.numThreads = 1;
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };
  return async (bytes, feeds) => {
    const session = await ort.InferenceSession.create(bytes, options);
    const given = session.inputNames.map((input) => {
      const { dtype, data, shape } = feeds[input] ?? wrong(`case.json: feeds has no ${input}`);
      return [input, new ort.Tensor(dtype, data, shape)];
    });
    const outputs = await session.run(Object.fromEntries(given));
    await session.release();
    return outputs;
  };
}

/** Compares every gradient: those beyond their tolerance, and the worst error relative to a tensor's size. */
function compareGradients({ gradients: expected, entries }, built, outputs) {
  const beyond = [];
  let worst = { error: 0, name: '' };
  for (const [name, tensor] of Object.entries(expected)) {
    const { tolerance, analyticallyZero = false } = entries[name];
    if (!(tolerance > 0)) wrong(`case.json: ${name} has no tolerance`);
    const difference = worstDifference(outputs[built.gradients.get(name)], tensor, name);
    if (!(difference <= tolerance)) beyond.push({ name, times: difference / tolerance });
    const size = maxAbs(tensor.data);
    const error = difference / size;
    if (!analyticallyZero && size > 0 && !(error <= worst.error)) worst = { error, name };
  }
  return { beyond, worst };
}

/** Runs a case. Returns the rest of its line, and whether it passes. */
async function runCase(folder, run) {
  const given = readCase(folder);
  const begin = performance.now();
  const built = gradients(decodeModel(given.model), {
    loss: given.loss,
    wrt: Object.keys(given.gradients),
    keepOutputs: true,
  });
  const bytes = encodeModel(built.model);
  const ms = performance.now() - begin;
  const outputs = await run(bytes, given.feeds);

  const { expectedLoss, output, expectedOutput } = given.info;
  const failures = [];
  const lossError = Math.abs(Number(outputs[built.loss].data[0]) - expectedLoss);
  if (!(lossError <= 1e-5 * Math.max(1, Math.abs(expectedLoss)))) failures.push('the loss is wrong');
  const outputError = worstDifference(outputs[output], given.output, output);
  const outputTolerance = Math.max(
    10 * (expectedOutput.float32Deviation?.maxAbs ?? 0),
    1e-5 * maxAbs(given.output.data),
  );
  if (!(outputError <= outputTolerance))
    failures.push(`${output} is wrong by ${outputError.toExponential(1)}`);
  const { beyond, worst } = compareGradients(given, built, outputs);
  if (beyond.length > 0) {
    const most = beyond.reduce((a, b) => (a.times >= b.times ? a : b));
    failures.push(
      `${beyond.length} of ${Object.keys(given.gradients).length} gradients are beyond their tolerance, ` +
        `${most.name} by a factor of ${most.times.toPrecision(2)}`,
    );
  }
  const numbers = `loss ${lossError.toExponential(1)}  gradients ${worst.error.toExponential(1)} (${worst.name})  ${ms.toFixed(0)} ms`;
  return { passed: failures.length === 0, text: [numbers, ...failures].join('; ') };
}

/** Folders of the cases, sorted. */
function caseFolders(dir) {
  const folders = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.map(({ name }) => name).sort();
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { engine: { type: 'string', default: 'node' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) return void console.log(usage);
  const [dir] = positionals;
  if (positionals.length !== 1) wrong(`one DIR is needed, not ${positionals.length}`);
  if (!['node', 'web'].includes(values.engine)) wrong(`--engine is node or web, not ${values.engine}`);
  const names = caseFolders(dir);
  const run = await openEngine(values.engine);
  const width = Math.max(0, ...names.map(({ length }) => length));
  let passed = 0;
  for (const name of names) {
    const result = await runCase(join(dir, name), run).catch((error) => ({
      passed: false,
      text: error.message.replaceAll(/\s+/g, ' '),
    }));
    passed += Number(result.passed);
    console.log(`${result.passed ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${result.text}`);
  }
  console.log(`${passed} passed, ${names.length - passed} failed`);
  // a check that found nothing to check has not passed
  process.exitCode = passed > 0 && passed === names.length ? 0 : 1;
}

main().catch((error) => {
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
});
