/** The command line that holds gradient graphs against cases made elsewhere. Runs on the built package. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildModel, encodeModel, GraphBuilder, type Model, tensor } from '../src/index.ts';
import { openRandom } from './checkGradients.ts';

const script = fileURLToPath(new URL('../bin/onnx-cases.mjs', import.meta.url));

function runScript(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return { status, lines: stdout.trimEnd().split('\n'), stderr };
}

type Numbers = readonly number[];
type Kind = 'crossEntropy' | 'mse';
const [batch, features, hidden, classes] = [3, 4, 5, 3];

/** Numbers that are float32 already, so that the formula sees what the model sees. */
const draw = (size: number, seed: number): Numbers => {
  const random = openRandom(seed);
  return Array.from({ length: size }, () => Math.fround(2 * random() - 1));
};
const x = draw(batch * features, 1);
const w = draw(features * hidden, 2);
const v = draw(hidden * classes, 3);
const labels = [2, 0, 1];
const wanted = draw(batch * classes, 4);

/** logits = tanh(x w) v. */
function perceptron(): Model {
  const g = new GraphBuilder();
  const parameter = (name: string, shape: Numbers, data: Numbers) =>
    g.parameter(name, tensor('float32', shape, data));
  const input = g.input('x', 'float32', [batch, features]);
  const h = g.tanh(g.matMul(input, parameter('w', [features, hidden], w)));
  g.output('logits', g.matMul(h, parameter('v', [hidden, classes], v)));
  return buildModel(g);
}

/** a [n, k] times b [k, m]. */
const product = (a: Numbers, b: Numbers, n: number, k: number, m: number): Numbers =>
  Array.from({ length: n * m }, (_, i) => {
    const [row, column] = [Math.floor(i / m), i % m];
    return Array.from(
      { length: k },
      (_, j) => (a[row * k + j] as number) * (b[j * m + column] as number),
    ).reduce((sum, term) => sum + term, 0);
  });
const transposed = (a: Numbers, n: number, m: number): Numbers =>
  Array.from({ length: n * m }, (_, i) => a[(i % n) * m + Math.floor(i / n)] as number);

/** Loss and the gradient by the logits, in float64. */
function lossOf(kind: Kind, logits: Numbers): { loss: number; dy: Numbers } {
  if (kind === 'mse') {
    const differences = logits.map((y, i) => y - (wanted[i] as number));
    const loss = differences.reduce((sum, d) => sum + d * d, 0) / logits.length;
    return { loss, dy: differences.map((d) => (2 * d) / logits.length) };
  }
  const totals = Array.from({ length: batch }, (_, n) =>
    logits.slice(n * classes, (n + 1) * classes).reduce((sum, y) => sum + Math.exp(y), 0),
  );
  const isLabel = (i: number) => labels[Math.floor(i / classes)] === i % classes;
  const probabilities = logits.map((y, i) => Math.exp(y) / (totals[Math.floor(i / classes)] as number));
  const loss = probabilities.reduce((sum, p, i) => (isLabel(i) ? sum - Math.log(p) : sum), 0) / batch;
  return { loss, dy: probabilities.map((p, i) => (p - Number(isLabel(i))) / batch) };
}

/** Everything that a case states, by the chain rule in float64. */
function reference(kind: Kind) {
  const h = product(x, w, batch, features, hidden).map(Math.tanh);
  const logits = product(h, v, batch, hidden, classes);
  const { loss, dy } = lossOf(kind, logits);
  const dv = product(transposed(h, batch, hidden), dy, hidden, batch, classes);
  const dh = product(dy, transposed(v, hidden, classes), batch, classes, hidden);
  const dz = dh.map((d, i) => d * (1 - (h[i] as number) ** 2));
  return {
    logits,
    loss,
    dv,
    dw: product(transposed(x, batch, features), dz, features, batch, hidden),
    dx: product(dz, transposed(w, features, hidden), batch, hidden, features),
  };
}

type Info = Record<string, unknown> & {
  gradients: Record<string, Record<string, unknown>>;
};

/** Writes a case; `change` may break what case.json says. */
function writeCase(
  folder: string,
  { kind = 'crossEntropy' as Kind, model = perceptron(), change = (_: Info): void => {} } = {},
): void {
  const blocks: Uint8Array[] = [];
  let offset = 0;
  const block = (shape: Numbers, data: Numbers, dtype: 'float32' | 'int64' = 'float32') => {
    const stored = dtype === 'float32' ? Float32Array.from(data) : BigInt64Array.from(data, BigInt);
    const entry = { dtype, shape, offset, length: stored.byteLength };
    const padded = new Uint8Array(8 * Math.ceil(stored.byteLength / 8));
    padded.set(new Uint8Array(stored.buffer));
    blocks.push(padded);
    offset += padded.length;
    return entry;
  };
  const { logits, loss, dv, dw, dx } = reference(kind);
  const gradient = (shape: Numbers, data: Numbers) => ({ ...block(shape, data), tolerance: 1e-6 });
  const info = {
    schema: 'vradam-gradient-case/1',
    feeds: { x: block([batch, features], x) },
    output: 'logits',
    loss: { kind },
    target: kind === 'mse' ? block([batch, classes], wanted) : block([batch], labels, 'int64'),
    expectedOutput: block([batch, classes], logits),
    expectedLoss: loss,
    gradients: { w: gradient([features, hidden], dw), v: gradient([hidden, classes], dv) },
    inputGradient: { x: gradient([batch, features], dx) },
  } as Info;
  change(info);
  mkdirSync(folder);
  writeFileSync(join(folder, 'case.json'), JSON.stringify(info));
  writeFileSync(join(folder, 'data.bin'), Buffer.concat(blocks));
  writeFileSync(join(folder, 'model.onnx'), encodeModel(model));
}

/** The model with an operator between that nobody knows. */
function strange(): Model {
  const model = perceptron();
  const nodes = model.nodes.map((node) => (node.op === 'Tanh' ? { ...node, op: 'Tangent' } : node));
  const name = nodes.find(({ op }) => op === 'Tangent')?.outputs[0] as string;
  return { ...model, nodes, values: [{ name, dtype: 'float32', shape: [batch, hidden] }] };
}

describe('onnx-cases', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'onnx-cases-'));
  const [good, bad, none] = ['good', 'bad', 'none'].map((name) => join(temporary, name)) as [
    string,
    string,
    string,
  ];

  beforeAll(() => {
    for (const dir of [good, bad, none]) mkdirSync(dir);
    writeCase(join(good, 'entropy'));
    writeCase(join(good, 'squares'), { kind: 'mse' });

    writeCase(join(bad, 'entropy'));
    writeCase(join(bad, 'strange'), { model: strange() });
    const cases: Record<string, (info: Info) => void> = {
      'gradient-off': ({ gradients }) => {
        // the gradient of another tensor of the same size
        Object.assign(gradients['v'] as object, { offset: (gradients['w'] as { offset: number }).offset });
      },
      'loss-off': (info) => {
        info['expectedLoss'] = 7;
      },
      'nothing-tolerated': ({ gradients }) => {
        (gradients['w'] as Record<string, unknown>)['tolerance'] = Number.NaN;
      },
      'data-short': ({ gradients }) => {
        (gradients['w'] as Record<string, unknown>)['offset'] = 8000;
      },
      'shape-off': ({ gradients }) => {
        (gradients['w'] as Record<string, unknown>)['shape'] = [hidden, features];
      },
      'gradients-missing': (info) => {
        info.gradients = {};
        info['inputGradient'] = {};
      },
      'loss-unknown': (info) => {
        info['loss'] = { kind: 'constructor' };
      },
    };
    for (const [name, change] of Object.entries(cases)) writeCase(join(bad, name), { change });
    writeCase(join(bad, 'json-damaged'));
    writeFileSync(join(bad, 'json-damaged', 'case.json'), '{"schema": "vradam-gra');
    writeCase(join(bad, 'model-damaged'));
    writeFileSync(join(bad, 'model-damaged', 'model.onnx'), new Uint8Array([8, 255, 255, 255]));
    mkdirSync(join(bad, 'empty'));
  });
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  test.each(['node', 'web'])('passes gradients that agree with their formula, on %s', (engine) => {
    const { status, lines, stderr } = runScript(good, '--engine', engine);
    expect(stderr).toBe('');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^ok +entropy +loss [\d.]+e[-+]\d+ +gradients [\d.]+e-\d+ \([wvx]\) +\d+ ms$/);
    expect(lines[1]).toMatch(/^ok +squares /);
    expect(lines[2]).toBe('2 passed, 0 failed');
    expect(status).toBe(0);
  });

  test('fails what is wrong, says why, and goes on', () => {
    const { status, lines, stderr } = runScript(bad);
    const line = (name: string): string => lines.find((text) => text.split(/ +/)[1] === name) ?? '';
    expect(stderr).toBe('');
    expect(line('entropy')).toMatch(/^ok /);
    const reasons: [string, RegExp][] = [
      ['strange', /Tangent.*gradient rule/],
      ['gradient-off', /1 of 3 gradients are beyond their tolerance, v by a factor/],
      ['loss-off', /the loss is wrong/],
      ['nothing-tolerated', /w has no tolerance/],
      ['data-short', /data\.bin ends before gradients\.w/],
      ['shape-off', /w has the shape \[4,5\] instead of \[5,4\]/],
      ['gradients-missing', /gradients are missing/],
      ['loss-unknown', /the loss constructor is unknown/],
      ['json-damaged', /case\.json is damaged/],
      ['model-damaged', /must be an ONNX model/],
      ['empty', /case\.json is missing/],
    ];
    for (const [name, reason] of reasons) {
      expect(line(name)).toMatch(/^FAIL /);
      expect(line(name)).toMatch(reason);
    }
    expect(lines).toHaveLength(reasons.length + 2);
    expect(lines.at(-1)).toBe(`1 passed, ${reasons.length} failed`);
    expect(status).toBe(1);
  });

  test('has not passed if there is nothing to check', () => {
    expect(runScript(none)).toMatchObject({ status: 1, lines: ['0 passed, 0 failed'] });
  });

  test('says how it is used', () => {
    const help = runScript('--help');
    expect(help.lines[0]).toBe('Usage: onnx-cases DIR [--engine node|web]');
    expect(help.status).toBe(0);
    for (const args of [
      [],
      [good, bad],
      [good, '--engine', 'gpu'],
      [good, '--fast'],
      [join(none, 'nowhere')],
    ]) {
      const { status, stderr } = runScript(...args);
      expect(stderr).toMatch(/Usage: onnx-cases/);
      expect(status).toBe(2);
    }
  });
});
