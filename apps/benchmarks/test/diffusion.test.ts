/** The diffusion task: its network, its noise, its samples, and what engines make of them. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sgd } from '@vradam/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Session } from '../src/engines/engine.ts';
import { enginesIn, startEngine } from '../src/engines/index.ts';
import type { Batch, HostTensor } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { installedTorch } from '../src/onnxruntime/torch.ts';
import { openRandom } from '../src/random.ts';
import { evaluationBatches, shrink, split } from '../src/tasks/diffusion/batches.ts';
import { drawGrid, gridPng } from '../src/tasks/diffusion/grid.ts';
import { diffusion } from '../src/tasks/diffusion/index.ts';
import { diffusionNetwork } from '../src/tasks/diffusion/model.ts';
import { presets } from '../src/tasks/diffusion/presets.ts';
import { addNoise, linearProcess, normals, posterior, sample } from '../src/tasks/diffusion/process.ts';
import { ownDefaults } from '../src/tasks/task.ts';

test('the networks have the parameters that the specification counts, the paper’s to the last one', () => {
  const count = (preset: keyof typeof presets) => summarize(diffusionNetwork(presets[preset])).parameterCount;
  expect(count('paper')).toBe(75_313_249);
  expect(Math.floor(count('quick') / 1000)).toBe(62);
  expect(Math.floor(count('medium') / 1000)).toBe(246);
  const { macs } = summarize(diffusionNetwork(presets.paper));
  expect(macs / 2603e6).toBeCloseTo(1, 2);
});

const options = { preset: 'quick', data: undefined, epochs: undefined, schedule: 'constant' } as const;
const quick = { ...ownDefaults, ...options, tokenizer: undefined };

async function openSession(name: string, { dropout = presets.quick.dropout } = {}): Promise<Session> {
  const network = diffusionNetwork({ ...presets.quick, dropout });
  const summary = summarize(network);
  const optimizer = sgd({ learningRate: 1, momentum: 0, weightDecay: 0 });
  const engine = await startEngine(name);
  const parameters = initialParameters(summary, 3, 1);
  return engine.createSession({ network, parameters, buffers: summary.buffers, optimizer, seed: 7 });
}

/** Makes something when it is asked for, and once. */
function lazily<T>(of: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= of();
    return made;
  };
}

interface TorchAnswer {
  readonly loss: number;
  readonly gradient: Readonly<Record<string, readonly number[]>>;
}

/** What PyTorch says of the quick network, without dropout. */
function askTorch(
  python: string,
  parameters: ReadonlyMap<string, HostTensor>,
  batch: Batch,
): Promise<TorchAnswer> {
  const script = fileURLToPath(new URL('../torch/unet.py', import.meta.url));
  const plain = (tensors: Iterable<readonly [string, HostTensor]>) =>
    Object.fromEntries(
      [...tensors].map(([name, { shape, data }]) => [name, { shape, data: Array.from(data) }]),
    );
  return new Promise((resolve, reject) => {
    const child = execFile(python, [script], { maxBuffer: 2 ** 27 }, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout) as TorchAnswer),
    );
    const size = { ...presets.quick, dropout: 0 };
    child.stdin?.end(
      JSON.stringify({ size, parameters: plain(parameters), batch: plain(Object.entries(batch)) }),
    );
  });
}

/** The first training batch of the quick task, cut to some pictures. */
async function firstBatch(count: number): Promise<Batch> {
  const problem = await diffusion.prepare({ ...quick, seed: 1 });
  const [batch] = problem.trainBatches(0, {} as Session) as Iterable<Batch>;
  const cut = Object.entries(batch as Batch).map(
    ([
      name,
      {
        shape: [n = 0, ...rest],
        data,
      },
    ]) => {
      return [name, { shape: [count, ...rest], data: data.slice(0, (count * data.length) / n) }] as const;
    },
  );
  return Object.fromEntries(cut);
}

/** PyTorch's answer for the first weights and pictures, the same for all engines; null where it is not installed. */
const torchAnswer = lazily(async () => {
  const torch = await installedTorch();
  const parameters = initialParameters(summarize(diffusionNetwork(presets.quick)), 3, 1);
  return torch && askTorch(torch.python, parameters, await firstBatch(4));
});

for (const name of enginesIn('node')) {
  test(`${name}: loss and gradient of the quick network are PyTorch’s, to 1e-4`, async ({ skip }) => {
    const expected = await torchAnswer();
    if (!expected) return skip('PyTorch is not installed');
    const batch = await firstBatch(4);
    const session = await openSession(name, { dropout: 0 });
    const { parameters: before } = await session.save();
    const { loss } = await session.trainStep(batch);
    const { parameters: after } = await session.save();
    session.dispose();
    expect(loss / expected.loss).toBeCloseTo(1, 5);
    expect(Object.keys(expected.gradient).sort()).toEqual(Object.keys(before).sort());
    const [errors, squares] = [new Map<string, number>(), new Map<string, number>()];
    for (const [key, { data }] of Object.entries(before)) {
      const theirs = expected.gradient[key] as readonly number[];
      const ours = Array.from(data, (value, i) => value - (after[key]?.data[i] as number));
      errors.set(key, Math.hypot(...ours.map((value, i) => value - (theirs[i] as number))));
      squares.set(key, Math.hypot(...theirs));
    }
    const whole = Math.hypot(...squares.values());
    for (const [key, error] of errors) expect(error / whole, key).toBeLessThan(1e-4);
  });
}

test('the quick task has the same first five losses on each engine, to 1e-4, with dropout', {
  timeout: 240_000,
}, async () => {
  const problem = await diffusion.prepare({ ...quick, seed: 7 });
  const summary = summarize(problem.network);
  const run = async (name: string): Promise<number[]> => {
    const engine = await startEngine(name);
    const session = await engine.createSession({
      network: problem.network,
      parameters: initialParameters(summary, 7, 1),
      buffers: summary.buffers,
      optimizer: problem.optimizer('vradam').spec,
      seed: 7,
    });
    const losses: number[] = [];
    for await (const batch of problem.trainBatches(0, session)) {
      losses.push((await session.trainStep(batch)).loss);
      if (losses.length === 5) break;
    }
    for await (const batch of problem.validationBatches(0, session)) {
      losses.push(...(await session.evaluate(batch)).losses);
    }
    session.dispose();
    return losses;
  };
  const all = await Promise.all(['onnxruntime-node', 'onnxruntime-web'].map(run));
  all.push(await run('tfjs-wasm'));
  const [ours, ...others] = all as [number[], ...number[][]];
  expect(ours).toHaveLength(5 + presets.quick.validationImages);
  for (const theirs of others) {
    const errors = ours.map((loss, i) => Math.abs(loss - (theirs[i] as number)) / loss);
    expect(Math.max(...errors.slice(0, 5))).toBeLessThan(1e-4);
    expect(Math.max(...errors)).toBeLessThan(2e-3);
  }
});

test('noise has mean 0, variance 1 and the tails of the normal distribution', () => {
  const values = normals(openRandom(1, 0), 100_000);
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
  expect(moment(1)).toBeCloseTo(0, 1.5);
  expect(moment(2)).toBeCloseTo(1, 1.5);
  expect(moment(4)).toBeCloseTo(3, 0.5);
  expect(values.filter((value) => Math.abs(value) > 3).length).toBeGreaterThan(150);
});

const processes = fc.record({
  times: fc.integer({ min: 2, max: 60 }),
  betas: fc.tuple(
    fc.double({ min: 1e-4, max: 0.02, noNaN: true }),
    fc.double({ min: 0.021, max: 0.3, noNaN: true }),
  ),
});

test('noise added at once is noise added step by step', () => {
  fc.assert(
    fc.property(processes, ({ times, betas }) => {
      const process = linearProcess(times, betas);
      expect([process.betas[0], process.betas.at(-1)]).toEqual([betas[0], expect.closeTo(betas[1], 12)]);
      let [share, variance] = [1, 0];
      for (const [t, beta] of process.betas.entries()) {
        share *= Math.sqrt(1 - beta);
        variance = (1 - beta) * variance + beta;
        const at = (picture: number, noise: number): number => {
          const out = new Float32Array(1);
          addNoise(process, t, Float32Array.of(picture), Float32Array.of(noise), out);
          return out[0] as number;
        };
        expect(at(1, 0)).toBeCloseTo(share, 6);
        expect(at(0, 1)).toBeCloseTo(Math.sqrt(variance), 6);
      }
    }),
  );
});

test('the step back is what Bayes’ rule says of two normal distributions', () => {
  fc.assert(
    fc.property(processes, fc.nat(), ({ times, betas }, any) => {
      const process = linearProcess(times, betas);
      const t = 1 + (any % (times - 1));
      const [beta, before] = [process.betas[t] as number, process.kept[t - 1] as number];
      // x_t given x_{t-1} has variance beta, x_{t-1} given the clean picture 1 - kept
      const precision = (1 - beta) / beta + 1 / (1 - before);
      const { ofClean, ofNoisy, variance } = posterior(process, t);
      expect(variance * precision).toBeCloseTo(1, 9);
      expect(ofNoisy * precision).toBeCloseTo(Math.sqrt(1 - beta) / beta, 6);
      expect(ofClean * precision).toBeCloseTo(Math.sqrt(before) / (1 - before), 6);
    }),
  );
});

test('whoever knows the picture in the noise draws that picture, whatever the noise is', async () => {
  const process = linearProcess(100, presets.quick.betas);
  const picture = Float32Array.from({ length: 9 }, (_, i) => Math.sin(i));
  const drawn = await sample(process, [2, 1, 3, 3], openRandom(4, 0), async ({ data }, times) =>
    Float32Array.from(data, (value, i) => {
      const kept = process.kept[times[0] as number] as number;
      return (value - Math.sqrt(kept) * (picture[i % 9] as number)) / Math.sqrt(1 - kept);
    }),
  );
  for (const [i, value] of drawn.entries()) expect(value).toBeCloseTo(picture[i % 9] as number, 4);
});

test('whoever knows only that pictures are noise draws noise', async () => {
  const process = linearProcess(50, [1e-3, 0.1]);
  // of x_t = sqrt(kept) x + sqrt(1 - kept) noise with x normal, the noise to expect is sqrt(1 - kept) x_t
  const drawn = await sample(process, [50, 1, 10, 10], openRandom(5, 0), async ({ data }, times) => {
    const rest = Math.sqrt(1 - (process.kept[times[0] as number] as number));
    return Float32Array.from(data, (value) => rest * value);
  });
  const variance = drawn.reduce((sum, value) => sum + value ** 2, 0) / drawn.length;
  expect(variance).toBeGreaterThan(0.9);
  expect(variance).toBeLessThan(1.1);
});

test('pictures to judge by are the same in every epoch and for every seed, at times evenly apart', async () => {
  const images = Uint8Array.from({ length: 40 * 784 }, (_, i) => (i * i) % 251);
  const set = { count: 40, images, labels: new Uint8Array(40) };
  const process = linearProcess(20, [1e-3, 0.1]);
  const rows = Array.from({ length: 40 }, (_, i) => i);
  const batches = (size: number, part: 'validation' | 'test' = 'validation') => [
    ...evaluationBatches(set, rows, size, { side: 14, process, split: part }),
  ];
  const joined = (all: Batch[], name: string) => all.flatMap((batch) => [...(batch[name]?.data ?? [])]);
  expect(joined(batches(40), 'times')).toEqual(rows.map((i) => Math.floor(i / 2)));
  for (const name of ['times', 'noise', 'noisy']) {
    expect(joined(batches(7), name)).toEqual(joined(batches(40), name));
  }
  expect(joined(batches(40, 'test'), 'noise')).not.toEqual(joined(batches(40), 'noise'));

  const of = async (seed: number, epoch: number): Promise<Batch[]> => {
    const problem = await diffusion.prepare({ ...quick, seed });
    return [...(problem.validationBatches(epoch, {} as Session) as Iterable<Batch>)];
  };
  const [first, later, other] = [await of(0, 0), await of(0, 4), await of(1, 0)];
  expect(later).toEqual(first);
  expect(joined(other, 'noise')).toEqual(joined(first, 'noise'));
});

test('batches of training have new times and new noise in every epoch, the seed’s own', async () => {
  const of = async (seed: number, epoch: number): Promise<Batch[]> => {
    const problem = await diffusion.prepare({ ...quick, seed });
    return [...(problem.trainBatches(epoch, {} as Session) as Iterable<Batch>)];
  };
  const [one, again, later, other] = [await of(0, 0), await of(0, 0), await of(0, 1), await of(1, 0)];
  expect(one).toHaveLength(50);
  expect(again).toEqual(one);
  expect(later[0]?.['noise']).not.toEqual(one[0]?.['noise']);
  expect(other[0]?.['times']).not.toEqual(one[0]?.['times']);
  const times = one.flatMap((batch) => [...(batch['times']?.data ?? [])]);
  expect([Math.min(...times), Math.max(...times)]).toEqual([0, presets.quick.times - 1]);
  expect(times.reduce((a, b) => a + b) / times.length / 49.5).toBeCloseTo(1, 1);
});

test('pictures are shrunk by the mean of squares, to numbers from -1 to 1, and parted 9 to 1', () => {
  const pixels = new Uint8Array(784);
  for (const at of [0, 1, 28, 29, 783]) pixels[at] = 255;
  const [half, whole] = [new Float32Array(196), new Float32Array(784)];
  shrink(pixels, 14, half);
  shrink(pixels, 28, whole);
  expect([half[0], half[1], half[195]]).toEqual([1, -1, -0.5]);
  expect([whole[0], whole[2], whole[29], whole[783]]).toEqual([1, -1, 1, 1]);
  const set = { count: 60_000, images: new Uint8Array(), labels: new Uint8Array() };
  const { train, validation } = split(set, 54_000, 42);
  expect([train.length, validation.length, new Set([...train, ...validation]).size]).toEqual([
    54_000, 6000, 60_000,
  ]);
  expect(train.slice(0, 3)).not.toEqual([0, 1, 2]);
});

test('a grid shows each picture, black to white, with its caption escaped', () => {
  const pictures = Float32Array.of(-1, 1, 1, -1, 0, 0, 0, 0, -9, 9, -9, 9);
  const svg = drawGrid(pictures, 2, '<script>');
  const fills = [...svg.matchAll(/fill="rgb\((\d+),/g)].map(([, grey]) => Number(grey));
  expect(fills).toEqual([0, 255, 255, 0, 128, 128, 0, 255, 0, 255]);
  expect(svg).toContain('&lt;script&gt;');
  expect(svg).not.toContain('<script>');
  expect([...gridPng(pictures, 2, 'x').subarray(1, 4)]).toEqual([...'PNG'].map((c) => c.charCodeAt(0)));
});

test('there are pictures every few epochs and after the last, the same for the same weights', async () => {
  const problem = await diffusion.prepare({ ...quick, seed: 0, epochs: 4 });
  const session = {
    evaluate: async ({ noisy }: Batch) => ({
      losses: new Float32Array(),
      outputs: { told: noisy as HostTensor },
    }),
  };
  const names = await Promise.all(
    [0, 1, 2, 3].map(async (epoch) => Object.keys((await problem.pictures?.(epoch, 'adamw', session)) ?? {})),
  );
  expect(names).toEqual([[], [], ['adamw-epoch-003.png'], ['adamw-epoch-004.png']]);
  const [one, two] = [
    await problem.pictures?.(3, 'adamw', session),
    await problem.pictures?.(3, 'adamw', session),
  ];
  expect(one).toEqual(two);
});
