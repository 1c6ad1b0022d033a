/** A sweep as its report sees it: the study with the curves of its runs. */

import { join } from 'node:path';
import { least, max, sum } from 'd3-array';
import { type MetricsLine, RunFolder, type RunRecord } from '../../run/records.ts';
import type { Choices, Space } from '../../sweep/space.ts';
import { spaceOf } from '../../sweep/spaces.ts';
import { Study, type StudyConfig, type Trial, type TrialState } from '../../sweep/study.ts';
import { trialName } from '../../sweep/sweep.ts';
import { epochCurve, seedRun } from '../analysis/series.ts';
import { lookOf, type OptimizerLook } from '../figures/palette.ts';
import type { CurvePoint, TrialCurves } from '../figures/sweepCurves.ts';
import { type FinalRow, readFinals } from './final.ts';

/** A trial that has ended. */
export interface SweptTrial {
  /** Number among those of its optimizer, from 0. */
  readonly trial: number;
  readonly choices: Choices;
  readonly state: TrialState;
  /** Null where there is none. */
  readonly objective: number | null;
  /** Of each seed. */
  readonly objectives: readonly number[];
  /** Why there is no objective; empty where there is one. */
  readonly reason: string;
  readonly seconds: number;
  /** Of each seed whose run is there. */
  readonly curves: readonly Omit<TrialCurves, 'isBest'>[];
}

/** An optimizer of a sweep. */
export interface SweptOptimizer {
  readonly optimizer: string;
  readonly look: OptimizerLook;
  readonly space: Space;
  /** Those that have ended, in the order in which they were begun. */
  readonly trials: readonly SweptTrial[];
}

/** A sweep as far as it has come. */
export interface SweepRecord {
  readonly config: StudyConfig;
  readonly optimizers: readonly SweptOptimizer[];
  /** Training steps that each point of a training curve is a mean of. */
  readonly window: number;
  /** Of one of its runs; null if none is there. */
  readonly run: RunRecord | null;
  /** What fresh seeds say of the best trials; empty before there are any. */
  readonly finals: readonly FinalRow[];
}

/** Points of a training curve at most. */
const mostPoints = 30;

/** Means over `window` steps each, at the last of them. */
export function blockMeans(losses: readonly number[], window: number): CurvePoint[] {
  return Array.from({ length: Math.floor(losses.length / window) }, (_, i) => {
    const block = losses.slice(i * window, (i + 1) * window);
    return { step: (i + 1) * window, loss: sum(block) / window };
  });
}

type Lines = readonly MetricsLine[];

const stepLosses = (lines: Lines): number[] =>
  lines.flatMap((line) => (line.kind === 'step' ? [line.loss] : []));

const isFinitePoint = ({ loss }: CurvePoint): boolean => Number.isFinite(loss);

function curvesOf(lines: Lines, optimizer: string, window: number): Omit<TrialCurves, 'isBest'> {
  const epochs = epochCurve([seedRun(0, optimizer, lines)], ({ validationLoss }) => validationLoss);
  return {
    train: blockMeans(stepLosses(lines), window).filter(isFinitePoint),
    validation: epochs.map(({ step, mean }) => ({ step, loss: mean })),
  };
}

/** A trial that has ended, with the lines of its runs. */
interface Read extends Trial {
  readonly runs: readonly Lines[];
}

async function readTrials(study: Study, folder: string): Promise<Read[]> {
  const { optimizers, seed, seeds } = study.config;
  const trials: Read[] = [];
  for (const trial of optimizers.flatMap((optimizer) => study.trials(optimizer))) {
    if (!trial.end) continue;
    const runs: Lines[] = [];
    for (let i = 0; i < seeds; i++) {
      const run = new RunFolder(join(folder, 'trials', trialName(trial.optimizer, trial.trial, seed + i)));
      if (await run.exists()) runs.push(await run.readMetrics());
    }
    trials.push({ ...trial, runs });
  }
  return trials;
}

async function firstRecord(study: Study, folder: string): Promise<RunRecord | null> {
  const { optimizers, seed } = study.config;
  const [trial] = optimizers.flatMap((optimizer) => study.trials(optimizer));
  if (!trial) return null;
  const run = new RunFolder(join(folder, 'trials', trialName(trial.optimizer, trial.trial, seed)));
  return (await run.exists()) ? run.readRecord() : null;
}

function sweptTrial({ trial, choices, end, runs, optimizer }: Read, window: number): SweptTrial {
  const { state, objective, objectives, reason = '', seconds } = end as NonNullable<typeof end>;
  const curves = runs.map((lines) => curvesOf(lines, optimizer, window));
  return { trial, choices, state, objective, objectives, reason, seconds, curves };
}

/**
 * Reads a study with its runs; a run that is not there leaves no curve.
 *
 * @param folder - of the study.
 * @throws VRAdamError as {@link Study.read}, and `ERR_FILE_FORMAT` for a damaged run.
 */
export async function readSweep(folder: string): Promise<SweepRecord> {
  const study = await Study.read(folder);
  const { config } = study;
  const trials = await readTrials(study, folder);
  const longest = max(trials.flatMap(({ runs }) => runs.map((lines) => stepLosses(lines).length))) ?? 0;
  const window = Math.max(1, Math.ceil(longest / mostPoints));
  const optimizers = config.optimizers.map((optimizer): SweptOptimizer => {
    const own = trials.filter((trial) => trial.optimizer === optimizer);
    return {
      optimizer,
      look: lookOf(optimizer),
      space: spaceOf(config.spaces, config.task, optimizer),
      trials: own.map((trial) => sweptTrial(trial, window)),
    };
  });
  const [run, finals] = [await firstRecord(study, folder), await readFinals(study, folder)];
  return { config, optimizers, window, run, finals };
}

/** The trial with the smallest objective, the first of equal ones; undefined where none has one. */
export function bestOf({ trials }: Pick<SweptOptimizer, 'trials'>): SweptTrial | undefined {
  return least(
    trials.filter(({ objective }) => objective !== null),
    ({ objective }) => objective as number,
  );
}

/** All objectives that are numbers. */
export const objectivesOf = ({ optimizers }: Pick<SweepRecord, 'optimizers'>): number[] =>
  optimizers.flatMap(({ trials }) =>
    trials.flatMap(({ objective }) => (objective === null ? [] : [objective])),
  );
