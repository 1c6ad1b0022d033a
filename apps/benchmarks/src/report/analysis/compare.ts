/** Two sets of results, optimizer by optimizer and seed by seed. */

import { benchmarkError } from '../../errors.ts';
import type { CollectedRun } from './collect.ts';
import { seedRun } from './series.ts';
import { type PairedDifference, pairedDifference } from './statistics.ts';

/** A task, its preset, an optimizer: what both sets have. */
export interface Comparison {
  readonly task: string;
  readonly preset: string;
  readonly optimizer: string;
  /** Validation loss of the last epoch, second minus first. */
  readonly validationLoss: PairedDifference;
  /** Test loss, second minus first. */
  readonly testLoss: PairedDifference;
  /** What else is not the same, as `engine: tfjs-wasm, was onnxruntime-node`. */
  readonly unlike: readonly string[];
}

interface Entry {
  readonly run: CollectedRun;
  readonly seed: number;
  readonly optimizer: string;
  readonly validationLoss: number;
  readonly testLoss: number;
}

/** Every optimizer of every run that came to its end; a failed one has NaN. */
function entriesOf(runs: readonly CollectedRun[]): Map<string, Entry[]> {
  const entries = new Map<string, Entry[]>();
  for (const run of runs) {
    const { task, preset, seed, optimizers } = run.record.config;
    for (const optimizer of optimizers) {
      const { final, failure, epochs } = seedRun(seed, optimizer, run.lines);
      if (!final && !failure) continue;
      const validationLoss = failure ? Number.NaN : (epochs.at(-1)?.validationLoss ?? Number.NaN);
      const entry = { run, seed, optimizer, validationLoss, testLoss: final?.testLoss ?? Number.NaN };
      const key = JSON.stringify([task, preset, optimizer]);
      entries.set(key, [...(entries.get(key) ?? []), entry]);
    }
  }
  return entries;
}

/** What a reader must know of before believing a difference. */
function settingsOf({ run: { record }, optimizer }: Entry): Record<string, unknown> {
  const { seed: _, optimizers: __, task: ___, preset: ____, ...config } = record.config;
  return {
    ...config,
    ...record.optimizers[optimizer],
    data: record.data['name'],
    parameters: record.network.parameters,
    ...record.versions,
    commit: record.commit?.slice(0, 12),
  };
}

function unlike(first: readonly Entry[], second: readonly Entry[]): string[] {
  const texts = (entries: readonly Entry[], name: string) =>
    [...new Set(entries.map((entry) => JSON.stringify(settingsOf(entry)[name]) ?? 'not there'))].join(
      ' and ',
    );
  const names = new Set([...first, ...second].flatMap((entry) => Object.keys(settingsOf(entry))));
  return [...names].flatMap((name) => {
    const [before, after] = [texts(first, name), texts(second, name)];
    return before === after ? [] : [`${name}: ${after}, was ${before}`];
  });
}

/**
 * Compares results.
 *
 * @param first - the reference.
 * @param second - compared with it.
 * @returns a comparison for each task, preset and optimizer that has a seed in both.
 * @throws VRAdamError `ERR_STATE_MISMATCH` if there is none, and if a seed is there twice.
 */
export function compareRuns(first: readonly CollectedRun[], second: readonly CollectedRun[]): Comparison[] {
  const [before, after] = [entriesOf(first), entriesOf(second)];
  const found = [...before].flatMap(([key, own]): Comparison[] => {
    const others = after.get(key) ?? [];
    const values = (entries: readonly Entry[], metric: 'validationLoss' | 'testLoss') =>
      bySeed(key, entries, (entry) => entry[metric]);
    const pair = (metric: 'validationLoss' | 'testLoss') =>
      pairedDifference(values(own, metric), values(others, metric));
    const testLoss = pair('testLoss');
    if (testLoss.seeds.length === 0) return [];
    const [task, preset, optimizer] = JSON.parse(key) as [string, string, string];
    const shared = (entries: readonly Entry[]) => entries.filter(({ seed }) => testLoss.seeds.includes(seed));
    const validationLoss = pair('validationLoss');
    return [
      { task, preset, optimizer, validationLoss, testLoss, unlike: unlike(shared(own), shared(others)) },
    ];
  });
  if (found.length > 0) return found;
  throw benchmarkError('ERR_STATE_MISMATCH', {
    wrong: 'no optimizer of one task and preset has a seed in both',
    received: `${[...before.keys()].join(' ') || 'nothing finished'} and ${[...after.keys()].join(' ') || 'nothing finished'}`,
    action: 'Compare folders that have runs with the same seeds.',
  });
}

function bySeed(key: string, entries: readonly Entry[], read: (entry: Entry) => number): Map<number, number> {
  const values = new Map(entries.map((entry) => [entry.seed, read(entry)]));
  if (values.size === entries.length) return values;
  const twice = entries.filter(({ seed }) => entries.filter((other) => other.seed === seed).length > 1);
  throw benchmarkError('ERR_STATE_MISMATCH', {
    wrong: 'a folder has an optimizer twice with the same seed',
    received: `${key}: ${twice.map(({ run }) => run.record.name).join(', ')}`,
    action: 'Name the folder of one of the runs.',
  });
}
