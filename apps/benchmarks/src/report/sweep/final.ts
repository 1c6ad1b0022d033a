/** The final comparison of a sweep: the best setting of each optimizer, with seeds that had no part in choosing it. */

import { join } from 'node:path';
import { RunFolder } from '../../run/records.ts';
import { finalFolder } from '../../sweep/final.ts';
import type { Choices } from '../../sweep/space.ts';
import type { FinalLine, Study } from '../../sweep/study.ts';
import { trialName } from '../../sweep/sweep.ts';
import { seedRun } from '../analysis/series.ts';
import { type Estimate, estimate, type PairedDifference, pairedDifference } from '../analysis/statistics.ts';

/** One loss of an optimizer. */
export interface FinalLoss extends Estimate {
  /** Seed by seed against VRAdam; null for VRAdam, and where there is none. */
  readonly againstVradam: PairedDifference | null;
}

/** An optimizer. */
export interface FinalRow {
  readonly optimizer: string;
  /** Number of its best trial, from 0. */
  readonly trial: number;
  readonly choices: Choices;
  /** Ascending. */
  readonly seeds: readonly number[];
  /** Objective of the sweep, with these seeds. */
  readonly validationLoss: FinalLoss;
  /** NaN for a seed whose run is not there. */
  readonly testLoss: FinalLoss;
}

/** Losses by seed. */
type BySeed = ReadonlyMap<number, number>;

async function testLoss(folder: string, { optimizer, trial, seed, state }: FinalLine): Promise<number> {
  const run = new RunFolder(join(folder, finalFolder, trialName(optimizer, trial, seed)));
  if (state !== 'complete' || !(await run.exists())) return Number.NaN;
  return seedRun(seed, optimizer, await run.readMetrics()).final?.testLoss ?? Number.NaN;
}

interface Read extends Pick<FinalRow, 'optimizer' | 'trial' | 'choices' | 'seeds'> {
  readonly validation: BySeed;
  readonly test: BySeed;
}

async function readOptimizer(
  study: Study,
  folder: string,
  optimizer: FinalLine['optimizer'],
): Promise<Read[]> {
  const best = study.best(optimizer);
  const lines = study.finals(optimizer).sort((a, b) => a.seed - b.seed);
  if (!best || lines.length === 0) return [];
  const tests = await Promise.all(lines.map((line) => testLoss(folder, line)));
  return [
    {
      ...{ optimizer, trial: best.trial, choices: best.choices, seeds: lines.map(({ seed }) => seed) },
      validation: new Map(lines.map(({ seed, objective }) => [seed, objective ?? Number.NaN])),
      test: new Map(lines.map(({ seed }, i) => [seed, tests[i] as number])),
    },
  ];
}

/**
 * Reads what came of fresh seeds.
 *
 * @param folder - of the study.
 * @returns a row for each optimizer that has had one; none where the study has not come to that.
 */
export async function readFinals(study: Study, folder: string): Promise<FinalRow[]> {
  const all = await Promise.all(study.config.optimizers.map((each) => readOptimizer(study, folder, each)));
  const rows = all.flat();
  const ours = rows.find(({ optimizer }) => optimizer === 'vradam');
  const lossOf = (own: BySeed, reference: BySeed | undefined): FinalLoss => ({
    ...estimate([...own.values()]),
    againstVradam: reference && reference !== own ? pairedDifference(reference, own) : null,
  });
  return rows.map(({ validation, test, ...row }) => ({
    ...row,
    validationLoss: lossOf(validation, ours?.validation),
    testLoss: lossOf(test, ours?.test),
  }));
}
