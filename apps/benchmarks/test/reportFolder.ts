/** Small results, made up, to report on. */

import { join } from 'node:path';
import { type MetricsLine, RunFolder, type RunRecord } from '../src/run/records.ts';

/** A loss for each optimizer at the end of each epoch; NaN makes it fail there. */
export type Losses = Readonly<Record<string, readonly number[]>>;

/** Steps of an epoch of these runs. */
const stepsPerEpoch = 4;

/** A record; parts of it in place of the usual. */
export function recordOf(name: string, losses: Losses, parts: Partial<RunRecord> = {}): RunRecord {
  const optimizers = Object.keys(losses) as RunRecord['config']['optimizers'];
  const epochs = Math.max(...Object.values(losses).map(({ length }) => length));
  return {
    schema: 'vradam-run/1',
    name,
    status: 'completed',
    config: {
      task: 'cifar10-cnn',
      preset: 'quick',
      engine: 'onnxruntime-node',
      optimizers,
      seed: 0,
      schedule: 'constant',
      epochs,
    },
    taskConfig: { stepsPerEpoch },
    optimizers: Object.fromEntries(optimizers.map((each) => [each, { learningRate: 0.01 }])),
    dataLine: 'made up',
    data: { name: 'none', synthetic: true },
    network: { parameters: 1234, macs: 5 },
    versions: { node: '20.0.0', 'onnxruntime-node': '1.0.0' },
    hardware: { cpu: 'a cpu', cores: 2 },
    commit: null,
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:01:00.000Z',
    peakMemoryMiB: 1,
    ...parts,
  };
}

function linesOf(optimizer: string, losses: readonly number[]): MetricsLine[] {
  const own = { optimizer: optimizer as RunRecord['config']['optimizers'][number] };
  const end = losses.findIndex(Number.isNaN);
  const reached = end < 0 ? losses : losses.slice(0, end);
  const lines = reached.flatMap((loss, epoch): MetricsLine[] => [
    ...Array.from(
      { length: stepsPerEpoch },
      (_, i): MetricsLine => ({
        kind: 'step',
        ...own,
        epoch,
        step: epoch * stepsPerEpoch + i,
        loss,
        learningRate: 0.01,
        effectiveLearningRate: 0.005,
        norm: optimizer === 'vradam' ? 1 : null,
        stepMs: 250,
        optimizerMs: null,
      }),
    ),
    {
      kind: 'epoch',
      ...own,
      epoch,
      trainLoss: loss,
      validationLoss: loss,
      validationAccuracy: 0.5,
    },
  ]);
  const last: MetricsLine =
    end < 0
      ? { kind: 'final', ...own, testLoss: losses.at(-1) as number, testAccuracy: 0.5 }
      : { kind: 'failure', ...own, epoch: end, step: end * stepsPerEpoch, reason: 'it ran away' };
  return [...lines, last];
}

/** Writes a run whose losses are these: training, validation and test alike. */
export async function writeRun(
  results: string,
  name: string,
  losses: Losses,
  parts: Partial<RunRecord> = {},
): Promise<void> {
  const folder = new RunFolder(join(results, name));
  await folder.create(recordOf(name, losses, parts));
  for (const [optimizer, own] of Object.entries(losses)) await folder.append(...linesOf(optimizer, own));
}

/** The same with a seed. */
export function writeSeed(results: string, seed: number, losses: Losses): Promise<void> {
  const name = `seed-${seed}`;
  const { config } = recordOf(name, losses);
  return writeRun(results, name, losses, { config: { ...config, seed } });
}
