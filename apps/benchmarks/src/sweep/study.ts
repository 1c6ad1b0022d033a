/**
 * What a sweep leaves behind: `study.jsonl`, a line for each thing that happened, never changed afterwards.
 *
 * Over 300 lines: the lines of the file, what each must look like, and the class that reads and writes them are one format.
 */

import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { least } from 'd3-array';
import { benchmarkError, fileSystemError } from '../errors.ts';
import { misshapen, type Shape } from '../run/shape.ts';
import type { OptimizerName, PresetName, ScheduleName } from '../tasks/task.ts';
import type { PrunerConfig } from './pruner.ts';
import type { SamplerName, Tried } from './sampler.ts';
import type { Choices } from './space.ts';
import type { SpaceName } from './spaces.ts';

/** Which loss of a trial is to be small: the validation loss of the last epoch, or the smallest of all epochs. */
export const objectiveNames = ['last', 'best'] as const;

/** One of {@link objectiveNames}. */
export type ObjectiveName = (typeof objectiveNames)[number];

/** What was asked for. Every optimizer has as many trials and seeds as another. */
export interface StudyConfig {
  readonly task: string;
  readonly preset: PresetName;
  readonly engine: string;
  readonly optimizers: readonly OptimizerName[];
  readonly sampler: SamplerName;
  readonly spaces: SpaceName;
  readonly trials: number;
  /** Runs of each trial, whose objectives are averaged: seeds `seed`, `seed + 1`, ... */
  readonly seeds: number;
  readonly seed: number;
  readonly objective: ObjectiveName;
  readonly schedule: ScheduleName;
  readonly epochs: number | null;
  /** Absent where no trial is ended early. */
  readonly pruner?: PrunerConfig;
}

/** The first line. */
export interface StudyLine {
  readonly kind: 'study';
  /** Always `vradam-sweep/1`. */
  readonly schema: 'vradam-sweep/1';
  /** Random; studies of before have none. */
  readonly id?: string;
  readonly config: StudyConfig;
  readonly at: string;
}

/** A trial begins. */
export interface BeginLine {
  readonly kind: 'begin';
  readonly optimizer: OptimizerName;
  /** Number of the trial among those of its optimizer, from 0. */
  readonly trial: number;
  readonly choices: Choices;
  readonly at: string;
}

/** How a trial can end: with a loss, with one that is no number, in an error, at its time limit, or as not promising. */
export type TrialState = 'complete' | 'diverged' | 'failed' | 'timeout' | 'pruned';

/** A trial ends. */
export interface EndLine {
  readonly kind: 'end';
  readonly optimizer: OptimizerName;
  readonly trial: number;
  readonly state: TrialState;
  /** Mean over the seeds; null unless complete. */
  readonly objective: number | null;
  /** Of each seed; those that did not end are missing. */
  readonly objectives: readonly number[];
  /** Why it failed; absent if it did not. */
  readonly reason?: string;
  /** Validation losses of the epochs of its first seed, null for no number; absent without a pruner. */
  readonly epochLosses?: readonly (number | null)[];
  readonly seconds: number;
  readonly at: string;
}

/** A run of the best trial with a seed that had no part in choosing it has ended. */
export interface FinalLine {
  readonly kind: 'final';
  readonly optimizer: OptimizerName;
  /** The trial that was best then. */
  readonly trial: number;
  readonly seed: number;
  readonly state: TrialState;
  /** Null unless complete. */
  readonly objective: number | null;
  /** Why it failed; absent if it did not. */
  readonly reason?: string;
  readonly seconds: number;
  readonly at: string;
}

type Line = StudyLine | BeginLine | EndLine | FinalLine;

/** A trial that has begun. */
export interface Trial extends BeginLine {
  /** Null while it runs, or if it was interrupted. */
  readonly end: EndLine | null;
}

/** What lines must look like; a kind that is not here was added later, and is passed over. */
const shapes: Readonly<Record<string, Shape>> = {
  begin: { fields: { optimizer: 'string', trial: 'number', choices: 'object', at: 'string' } },
  end: {
    fields: {
      ...{ optimizer: 'string', trial: 'number', state: 'string', seconds: 'number', at: 'string' },
      ...{
        objective: { optional: 'number' },
        objectives: { list: 'number' },
        reason: { optional: 'string' },
      },
    },
  },
};

const configShape: Shape = {
  fields: {
    ...{ task: 'string', preset: 'string', engine: 'string', optimizers: { list: 'string' } },
    ...{ sampler: 'string', spaces: 'string', trials: 'number', seeds: 'number', seed: 'number' },
    ...{ objective: 'string', schedule: 'string', epochs: { optional: 'number' } },
    pruner: { optional: { fields: { name: 'string', warmupEpochs: 'number', warmupTrials: 'number' } } },
  },
};

/** File name of a study. */
export const studyName = 'study.jsonl';

function parse(path: string, text: string): Line[] {
  // a last line without its end was being written when the process was killed
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).map((line, i) => {
    try {
      const value = JSON.parse(line) as Line;
      const wrong = misshapen(value, shapes[value.kind] ?? 'object');
      if (wrong !== null) throw new Error(`nothing usable at ${wrong}`);
      return value;
    } catch (cause) {
      throw benchmarkError('ERR_FILE_FORMAT', {
        wrong: `line ${i + 1} of ${path} is no line of a study`,
        received: line.slice(0, 60),
        action: 'Restore the file, or begin another study.',
        cause,
      });
    }
  });
}

/** A study on disk. One process writes it. */
export class Study {
  /** What tells it from all other studies, wherever it is gone on with. */
  readonly id: string;
  readonly config: StudyConfig;
  readonly #path: string;
  readonly #trials = new Map<string, Trial>();
  readonly #finals: FinalLine[] = [];

  private constructor(path: string, id: string, config: StudyConfig) {
    this.#path = path;
    this.id = id;
    this.config = config;
  }

  /**
   * Begins a study, or goes on with one.
   *
   * @param folder - made if missing.
   * @param resume - whether one that is there is gone on with; it must have been asked for the same, but for more trials.
   * @throws VRAdamError `ERR_RUN_EXISTS`, `ERR_STATE_MISMATCH`, `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`, `ERR_FILE_SYSTEM`.
   */
  static async open(folder: string, config: StudyConfig, resume: boolean): Promise<Study> {
    const path = join(folder, studyName);
    const text = await readFile(path, 'utf8').catch(() => null);
    if (text === null || text.lastIndexOf('\n') < 0) {
      const id = randomUUID();
      const study = new Study(path, id, config);
      await mkdir(folder, { recursive: true }).catch((error) => {
        throw fileSystemError(folder, error);
      });
      await study.#write({ kind: 'study', schema: 'vradam-sweep/1', id, config, at: now() }, 'wx');
      return study;
    }
    if (!resume) {
      throw benchmarkError('ERR_RUN_EXISTS', {
        wrong: `${path} is already there`,
        received: folder,
        action: 'Continue it with --resume, or name another folder with --out.',
      });
    }
    const [first, ...lines] = parse(path, text);
    const head = checkHead(path, first);
    checkSame(path, head.config, config);
    const study = new Study(path, idOf(head), config);
    await study.#restore(lines, text);
    return study;
  }

  /**
   * Reads a study as far as it has come, and leaves it as it is.
   *
   * @throws VRAdamError `ERR_DATA_NOT_FOUND`, `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`.
   */
  static async read(folder: string): Promise<Study> {
    const path = join(folder, studyName);
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw benchmarkError('ERR_DATA_NOT_FOUND', {
        wrong: 'there is no study',
        received: path,
        action: 'Name the folder of a sweep.',
        cause,
      });
    });
    const [first, ...lines] = parse(path, text);
    const head = checkHead(path, first);
    const study = new Study(path, idOf(head), head.config);
    for (const line of lines) study.#note(line);
    return study;
  }

  async #restore(lines: readonly Line[], text: string): Promise<void> {
    for (const line of lines) this.#note(line);
    // what a killed process left of a line would spoil the next one
    await truncate(this.#path, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
  }

  async #write(line: Line, flag: 'a' | 'wx' = 'a'): Promise<void> {
    try {
      await appendFile(this.#path, `${JSON.stringify(line)}\n`, { flag });
    } catch (error) {
      throw fileSystemError(this.#path, error);
    }
  }

  #note(line: Line): void {
    if (line.kind === 'study') return;
    if (line.kind === 'final') {
      this.#finals.push(line);
      return;
    }
    const key = `${line.optimizer}/${line.trial}`;
    if (line.kind === 'begin') this.#trials.set(key, { ...line, end: null });
    const trial = this.#trials.get(key);
    if (line.kind === 'end' && trial) this.#trials.set(key, { ...trial, end: line });
  }

  /** Trials of an optimizer, in the order in which they were begun. */
  trials(optimizer: OptimizerName): Trial[] {
    return [...this.#trials.values()].filter((trial) => trial.optimizer === optimizer);
  }

  /** The trial with the smallest objective, the first of equal ones; undefined where none has one. */
  best(optimizer: OptimizerName): Trial | undefined {
    const ended = this.trials(optimizer).filter(({ end }) => end?.objective != null);
    return least(ended, ({ end }) => end?.objective as number);
  }

  /** Runs with fresh seeds of the trial that is best now; those of a trial that is no longer best are passed over. */
  finals(optimizer: OptimizerName): FinalLine[] {
    const best = this.best(optimizer)?.trial;
    return this.#finals.filter((line) => line.optimizer === optimizer && line.trial === best);
  }

  /** Losses of the epochs of the trials that have ended, as a pruner compares them. */
  epochLosses(optimizer: OptimizerName): number[][] {
    return this.trials(optimizer).flatMap(({ end }) =>
      end?.epochLosses ? [end.epochLosses.map((loss) => loss ?? Number.NaN)] : [],
    );
  }

  /**
   * What a sampler learns from. A pruned trial counts with the loss it had last: it was worse than others had after as many
   * epochs, and so is bad news of its neighbourhood, but not as bad as a failure.
   */
  tried(optimizer: OptimizerName): Tried[] {
    return this.trials(optimizer).flatMap(({ choices, end }) =>
      end ? [{ choices, objective: end.state === 'pruned' ? lastLoss(end) : end.objective }] : [],
    );
  }

  /** Notes that a trial begins. */
  async begin(line: Omit<BeginLine, 'kind' | 'at'>): Promise<void> {
    const whole: BeginLine = { kind: 'begin', ...line, at: now() };
    await this.#write(whole);
    this.#note(whole);
  }

  /** Notes that a run with a fresh seed has ended. */
  async final(line: Omit<FinalLine, 'kind' | 'at'>): Promise<void> {
    const whole: FinalLine = { kind: 'final', ...line, at: now() };
    await this.#write(whole);
    this.#note(whole);
  }

  /** Notes that a trial has ended. */
  async end(line: Omit<EndLine, 'kind' | 'at'>): Promise<void> {
    const whole: EndLine = { kind: 'end', ...line, at: now() };
    await this.#write(whole);
    this.#note(whole);
  }
}

/** Loss of the last epoch that a trial has had; null where there is none. */
export const lastLoss = ({ epochLosses }: Pick<EndLine, 'epochLosses'>): number | null =>
  epochLosses?.at(-1) ?? null;

const now = (): string => new Date().toISOString();

/** No two studies of before began at the same moment with the same options. */
const idOf = ({ id, at, config }: StudyLine): string => id ?? `${at} ${JSON.stringify(config)}`;

/** What a study was begun with. */
function checkHead(path: string, first: Line | undefined): StudyLine {
  const isOurs = first?.kind === 'study' && first.schema === 'vradam-sweep/1';
  if (isOurs && misshapen(first.config, configShape) === null) return first;
  throw benchmarkError('ERR_STATE_VERSION', {
    wrong: `${path} must begin with a study of schema vradam-sweep/1`,
    received: first?.kind === 'study' ? first.schema : first?.kind,
    action: 'Name another folder with --out.',
  });
}

function checkSame(path: string, begun: StudyConfig, config: StudyConfig): void {
  const asked = ({ trials: _, ...rest }: StudyConfig) => JSON.stringify(rest);
  if (asked(begun) === asked(config)) return;
  throw benchmarkError('ERR_STATE_MISMATCH', {
    wrong: `${path} was begun with other options`,
    received: asked(begun),
    action: 'Give the same options; only --trials may grow.',
  });
}
