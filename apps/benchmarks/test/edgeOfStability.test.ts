/** The edge of stability: the network, its curvature, and how far it is followed. */

import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sgd, vradam } from '@vradam/core';
import fc from 'fast-check';
import { EigenvalueDecomposition, inverse, Matrix } from 'ml-matrix';
import { describe, expect, test } from 'vitest';
import { enginesIn, startEngine } from '../src/engines/index.ts';
import type { Batch, HostTensor } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import {
  flat,
  flatten,
  hessianOf,
  inverseRootOfPreconditioner,
  measureSharpness,
  unflat,
} from '../src/tasks/edgeOfStability/curvature.ts';
import { loadEdgeData } from '../src/tasks/edgeOfStability/data.ts';
import { drawEdge } from '../src/tasks/edgeOfStability/figure.ts';
import { largestEigenvalue } from '../src/tasks/edgeOfStability/lanczos.ts';
import { resnet } from '../src/tasks/edgeOfStability/model.ts';
import { fixed, presets } from '../src/tasks/edgeOfStability/presets.ts';
import {
  type EdgeProblem,
  type EdgeStart,
  follow,
  stabilityThreshold,
  type Trajectory,
} from '../src/tasks/edgeOfStability/trajectory.ts';
import { start } from './command.ts';

describe('Lanczos', () => {
  /** A random symmetric matrix; `shift` moves all of its eigenvalues. */
  function symmetric(n: number, seed: number, shift: number): Matrix {
    const random = openRandom(seed, 0);
    const a = Matrix.zeros(n, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        const value = random.normal() + (i === j ? shift : 0);
        a.set(i, j, value);
        a.set(j, i, value);
      }
    return a;
  }
  const by = (a: Matrix) => async (v: Float64Array) =>
    Float64Array.from(a.mmul(Matrix.columnVector([...v])).getColumn(0));
  const start = (n: number) => Float64Array.from({ length: n }, (_, i) => 1 + 0.1 * i);

  test('finds the most positive eigenvalue and its vector, also where a negative one is larger', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.constantFrom(-8, 0, 8),
        async (n, seed, shift) => {
          const a = symmetric(n, seed, shift);
          const largest = Math.max(
            ...new EigenvalueDecomposition(a, { assumeSymmetric: true }).realEigenvalues,
          );
          const found = await largestEigenvalue(by(a), start(n), { iterations: 60, tolerance: 1e-9 });
          expect(found.value).toBeCloseTo(largest, 7);
          const product = await by(a)(found.vector);
          for (const [i, value] of product.entries())
            expect(value).toBeCloseTo(found.value * (found.vector[i] as number), 4);
        },
      ),
      { numRuns: 60 },
    ));

  test('never says more than it knows: an eigenvalue lies within the residual', async () => {
    const a = symmetric(40, 1, 0);
    const all = new EigenvalueDecomposition(a, { assumeSymmetric: true }).realEigenvalues;
    for (const iterations of [1, 2, 4, 8, 16]) {
      const { value, residual, products } = await largestEigenvalue(by(a), start(40), { iterations });
      expect(products).toBeLessThanOrEqual(iterations);
      expect(Math.min(...all.map((each) => Math.abs(each - value)))).toBeLessThanOrEqual(residual + 1e-9);
    }
  });

  test('needs one product where it begins at the eigenvector', async () => {
    const a = symmetric(20, 3, 0);
    const { vector } = await largestEigenvalue(by(a), start(20), { iterations: 50, tolerance: 1e-10 });
    expect((await largestEigenvalue(by(a), vector, { iterations: 50 })).products).toBe(1);
  });
});

test('the networks have as many parameters as the specification counts', () => {
  const count = (width: number, blocks: number, size: number) =>
    summarize(resnet({ width, blocks }, size, 10)).parameterCount;
  expect(count(16, 5, 32)).toBe(464_250);
  expect([count(8, 1, 16), count(4, 1, 16)]).toEqual([19_266, 5030]);
  expect(summarize(resnet({ width: 16, blocks: 5 }, 32, 10)).macs / 1e6).toBeCloseTo(68.9, 0);
});

/** A network, a batch, and weights that are not those of the beginning: there the last norm of each block is 0. */
const network = resnet({ width: 4, blocks: 2 }, 8, 10);
const summary = summarize(network);
const { batch, parameters, vector } = (() => {
  const random = openRandom(8, 0);
  const data = Float32Array.from({ length: 6 * 3 * 64 }, () => random.normal());
  const targets = new Float32Array(60);
  for (const [i, label] of [3, 1, 4, 1, 5, 9].entries()) targets[10 * i + label] = 1;
  const moved = [...initialParameters(summary, 7, 1)].map(([name, tensor]): [string, HostTensor] => [
    name,
    { shape: tensor.shape, data: Float32Array.from(tensor.data, (x) => x + 0.3 * random.normal()) },
  ]);
  const made: Batch = {
    images: { shape: [6, 3, 8, 8], data },
    targets: { shape: [6, 10], data: targets },
  };
  const along = moved.map(
    ([
      name,
      {
        data: { length },
      },
    ]): [string, Float32Array] => [name, Float32Array.from({ length }, () => random.normal())],
  );
  return { batch: made, parameters: new Map(moved), vector: Object.fromEntries(along) };
})();

/** From PyTorch 1.13 in float64, by double back-propagation, with these weights, this batch and this vector. */
const torch = {
  loss: 2.199684867509557,
  squaredGradient: 22.41642833441616,
  curvature: 148.97892408466993,
  squaredProduct: 1884.9334660004488,
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const squares = (named: Readonly<Record<string, ArrayLike<number>>>): number =>
  sum(Object.values(named).map((each) => sum(Array.from(each, (x) => x * x))));

async function openSession(engineName: string) {
  const engine = await startEngine(engineName);
  const optimizer = sgd({ learningRate: 1, momentum: 0, weightDecay: 0 });
  const session = await engine.createSession({ network, parameters, buffers: summary.buffers, optimizer });
  return { engine, session };
}

describe.each(enginesIn('node'))('%s', (name) => {
  test('loss, gradient and the product with the Hessian are PyTorch’s', async () => {
    const { engine, session } = await openSession(name);
    const product = await session.hessianVectorProduct(batch, vector);
    const curvature = sum(
      Object.entries(product).map(([key, p]) =>
        sum(Array.from(p, (x, i) => x * (vector[key]?.[i] as number))),
      ),
    );
    const { parameters: before } = await session.save();
    for (const [key, { data }] of Object.entries(before)) expect(data).toEqual(parameters.get(key)?.data);
    const { loss } = await session.trainStep(batch);
    const { parameters: after } = await session.save();
    session.dispose();
    const gradient = Object.fromEntries(
      Object.entries(before).map(([key, { data }]) => [
        key,
        Float32Array.from(data, (x, i) => x - (after[key]?.data[i] as number)),
      ]),
    );
    expect(loss / torch.loss).toBeCloseTo(1, 5);
    expect(squares(gradient) / torch.squaredGradient).toBeCloseTo(1, 4);
    // differences of gradients are less exact than products
    const digits = engine.hessianStep === null ? 4 : 1.5;
    expect(curvature / torch.curvature).toBeCloseTo(1, digits);
    expect(squares(product) / torch.squaredProduct).toBeCloseTo(1, digits);
  });

  test('a step with the mean of equal chunks is a step with that mean', async () => {
    const { session } = await openSession(name);
    const half = (begin: number): Batch =>
      Object.fromEntries(
        Object.entries(batch).map(([key, { shape, data }]) => {
          const each = data.length / 6;
          return [key, { shape: [3, ...shape.slice(1)], data: data.slice(begin * each, (begin + 3) * each) }];
        }),
      );
    const halves = [half(0), half(3)];
    const gradients: Record<string, Float32Array>[] = [];
    for (const part of halves) {
      const { session: other } = await openSession(name.startsWith('tfjs') ? 'onnxruntime-node' : name);
      await other.trainStep(part);
      const { parameters: after } = await other.save();
      other.dispose();
      gradients.push(
        Object.fromEntries(
          [...parameters].map(([key, { data }]) => [
            key,
            Float32Array.from(data, (x, i) => x - (after[key]?.data[i] as number)),
          ]),
        ),
      );
    }
    for (const part of halves) await session.accumulate(part);
    await session.optimizerStep();
    const { parameters: after } = await session.save();
    session.dispose();
    for (const [key, { data }] of parameters) {
      for (const [i, x] of data.entries()) {
        const mean = ((gradients[0]?.[key]?.[i] as number) + (gradients[1]?.[key]?.[i] as number)) / 2;
        expect(after[key]?.data[i]).toBeCloseTo(x - mean, 4);
      }
    }
  });
});

test('the sharpness of P^-1 H is its largest eigenvalue, though it is not symmetric', async () => {
  const lengths = new Map([
    ['a', 2],
    ['b', 3],
  ]);
  const shape = flatten(lengths);
  const random = openRandom(3, 0);
  const root = new Matrix(Array.from({ length: 5 }, () => Array.from({ length: 5 }, () => random.normal())));
  const hessian = root.mmul(root.transpose());
  const moments = { a: [4, 0.25], b: [1e-4, 9, 1] };
  const [step, { beta1, beta2, epsilon }] = [3, fixed.adam];
  const tensors = Object.fromEntries(
    Object.entries(moments).map(([name, data]) => [
      `secondMoment/${name}`,
      { dtype: 'F32' as const, shape: [data.length], data: Float32Array.from(data) },
    ]),
  );
  const state = { tensors, parameterSteps: { a: step, b: step } };
  const inverseRoot = inverseRootOfPreconditioner(state as never, shape, fixed.adam);
  const p = [...moments.a, ...moments.b].map(
    (m) => (1 - beta1 ** step) * (Math.sqrt(m / (1 - beta2 ** step)) + epsilon),
  );
  const expected = Math.max(
    ...new EigenvalueDecomposition(inverse(Matrix.diag(p)).mmul(hessian)).realEigenvalues,
  );
  const multiply = async (v: Float64Array) =>
    Float64Array.from(hessian.mmul(Matrix.columnVector([...v])).getColumn(0));
  const starts = { raw: new Float64Array(5).fill(1), preconditioned: new Float64Array(5).fill(1) };
  const found = await measureSharpness(multiply, inverseRoot, starts, { iterations: 20, tolerance: 1e-8 });
  expect(found.preconditioned.value / expected).toBeCloseTo(1, 6);
  expect(found.raw.value).toBeCloseTo(Math.max(...new EigenvalueDecomposition(hessian).realEigenvalues), 6);
});

test('a Hessian over chunks is the mean of theirs, and symmetric', async () => {
  const { session } = await openSession('onnxruntime-node');
  const shape = flatten(new Map([...parameters].map(([name, { data }]) => [name, data.length])));
  const multiply = hessianOf(session, [batch, batch], shape);
  const random = openRandom(11, 0);
  const draw = () => Float64Array.from({ length: shape.length }, () => Math.fround(random.normal()));
  const [u, v] = [draw(), draw()];
  const dot = (a: Float64Array, b: Float64Array) => sum(Array.from(a, (x, i) => x * (b[i] as number)));
  const [hu, hv] = [await multiply(u), await multiply(v)];
  const single = flat(shape, await session.hessianVectorProduct(batch, unflat(shape, u)));
  session.dispose();
  expect(dot(v, hu) / dot(u, hv)).toBeCloseTo(1, 3);
  for (const [i, value] of single.entries()) expect(hu[i]).toBeCloseTo(value, 4);
});

const tiny = {
  ...presets.quick,
  images: 24,
  chunk: 12,
  hessianImages: 12,
  steps: 4,
  every: 2,
  iterations: 6,
};

async function problem(engine = 'onnxruntime-node', own: Partial<EdgeProblem> = {}): Promise<EdgeProblem> {
  return {
    preset: tiny,
    data: await loadEdgeData(tiny, { seed: 1, directory: undefined }),
    engine: await startEngine(engine),
    seed: 1,
    signal: new AbortController().signal,
    onStep: () => {},
    onMeasurement: async () => {},
    ...own,
  };
}

test('every pixel has mean 0 and deviation 1 over the images, and a chunk is never mixed', async () => {
  const { chunks, hessianChunks } = await loadEdgeData(tiny, { seed: 1, directory: undefined });
  expect([chunks.length, hessianChunks.length]).toEqual([2, 1]);
  const all = chunks.flatMap(({ images }) => [...(images?.data ?? [])]);
  const features = all.length / 24;
  for (let j = 0; j < features; j += 97) {
    const column = Array.from({ length: 24 }, (_, i) => all[i * features + j] as number);
    expect(sum(column) / 24).toBeCloseTo(0, 5);
    expect(sum(column.map((x) => x * x)) / 24).toBeCloseTo(1, 4);
  }
  for (const { targets } of chunks) expect(sum([...(targets?.data ?? [])])).toBe(12);
});

test('engines take the same steps: losses of the first 4 within 1e-4', { timeout: 120_000 }, async () => {
  const losses: number[][] = [];
  // not tfjs-cpu, which takes a minute for it; that its gradients and products are right is tested above
  for (const name of enginesIn('node').filter((each) => each !== 'tfjs-cpu')) {
    const { steps } = await follow(
      { ...(await problem(name)), preset: { ...tiny, every: 100 } },
      'vradam',
      null,
    );
    losses.push(steps.map(({ loss }) => loss));
  }
  expect(losses[0]).toHaveLength(4);
  for (const other of losses)
    for (const [i, loss] of other.entries()) expect(loss / (losses[0]?.[i] as number)).toBeCloseTo(1, 4);
});

test('one that goes on after a measurement takes the steps of one that was never interrupted', async () => {
  const starts: EdgeStart[] = [];
  const onMeasurement = async (start: EdgeStart) => {
    const { steps, measurements, ...rest } = start.trajectory;
    starts.push({ ...start, trajectory: { ...rest, steps: [...steps], measurements: [...measurements] } });
  };
  const whole = await follow(await problem('onnxruntime-node', { onMeasurement }), 'vradam', null);
  const rest = await follow(await problem(), 'vradam', starts[0] as EdgeStart);
  expect(whole.end).toBe('steps');
  expect(whole.measurements.map(({ step }) => step)).toEqual([2, 4]);
  expect(rest.steps).toEqual(whole.steps);
});

test('it ends where a goal is reached, and says so where the loss is no number', async () => {
  const easy = await problem();
  const alike = easy.data.chunks.map(({ images, targets }): Batch => {
    const data = Float32Array.from(targets?.data ?? [], (_, i) => Number(i % 10 === 3));
    return { images: images as HostTensor, targets: { shape: [12, 10], data } };
  });
  const data = { ...easy.data, chunks: alike };
  const quick = { ...tiny, learningRate: 0.01, steps: 400 };
  expect((await follow({ ...easy, data, preset: { ...quick, every: 1000 } }, 'adam', null)).end).toBe('loss');
  expect((await follow({ ...easy, data, preset: { ...quick, every: 1 } }, 'vradam', null)).end).toBe(
    'accuracy',
  );
  const wild = { ...tiny, learningRate: 1e30, steps: 50, every: 1000 };
  const { end, steps } = await follow({ ...easy, preset: wild }, 'adam', null);
  expect(end).toBe('failure');
  expect(steps.every(({ loss }) => Number.isFinite(loss))).toBe(true);
});

test('the threshold of Adam is 38 / eta', () => {
  expect(stabilityThreshold(0.002, fixed.adam)).toBeCloseTo(19_000, 6);
  expect(vradam(fixed.vradam).groups[0]?.options).toMatchObject({ epsilon: 1e-7, weightDecay: 0 });
});

test('a record is drawn, whatever its data are called', async () => {
  const trajectory: Trajectory = await follow(await problem(), 'vradam', null);
  const record = { config: { sizes: tiny, engine: '<script>', seed: 1 }, data: '<b>', parameters: 1 };
  const { svg } = drawEdge({ ...record, trajectories: [trajectory] } as never);
  expect(svg).not.toMatch(/<script>|<b>/);
  expect(svg).toContain('&lt;script&gt;');
});

describe('the command', () => {
  const small = ['--steps', '2', '--every', '1', '--iterations', '2'];
  const run = (...args: string[]) => start('sharpness', ...args).finished;

  test('writes numbers and figure, refuses to write over them, and has nothing left to do when resumed', {
    timeout: 180_000,
  }, async () => {
    const out = await mkdtemp(join(tmpdir(), 'vradam-edge-'));
    const first = await run(...small, '--out', out);
    expect(first.code, first.output).toBe(0);
    const text = await readFile(join(out, 'sharpness.json'), 'utf8');
    const record = JSON.parse(text);
    expect(record.trajectories.map(({ steps, end }: Trajectory) => [steps.length, end])).toEqual([
      [2, 'steps'],
      [2, 'steps'],
    ]);
    expect(record.data).toContain('synthetic');
    expect(await readFile(join(out, 'sharpness.svg'), 'utf8')).toContain('edge of stability');
    const again = await run(...small, '--out', out);
    expect([again.code, again.output]).toEqual([2, expect.stringContaining('--resume')]);
    const other = await run('--steps', '3', '--out', out, '--resume');
    expect([other.code, other.output]).toEqual([2, expect.stringContaining('other options')]);
    expect((await run(...small, '--out', out, '--resume')).code).toBe(0);
    expect(JSON.parse(await readFile(join(out, 'sharpness.json'), 'utf8')).trajectories).toEqual(
      record.trajectories,
    );
    await writeFile(join(out, 'sharpness.json'), text.slice(0, 40));
    const cut = await run(...small, '--out', out, '--resume');
    expect([cut.code, cut.output]).toEqual([2, expect.stringContaining('not JSON')]);
  });
});
