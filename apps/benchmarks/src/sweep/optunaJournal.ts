/**
 * A study as a journal of Optuna: its own tools can look at it, and Optuna can add trials to it.
 *
 * A journal is a file of JSON lines, each an operation. Studies and trials have no names in it: the n-th creation of one
 * has the number n, over the whole file, whoever wrote it. So it is read anew before anything is added.
 *
 * @see https://github.com/optuna/optuna, optuna/storages/journal
 */

import { randomUUID } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { benchmarkError, fileSystemError } from '../errors.ts';
import type { OptimizerName } from '../tasks/task.ts';
import { lock } from './fileLock.ts';
import type { Tried } from './sampler.ts';
import type { Choice, Choices, Parameter, Space } from './space.ts';
import { spaceOf } from './spaces.ts';
import { lastLoss, type Study, type Trial } from './study.ts';

/** Codes of the operations that are written or understood. */
const op = {
  createStudy: 0,
  deleteStudy: 1,
  createTrial: 4,
  parameter: 5,
  state: 6,
  epochLoss: 7,
  userAttribute: 8,
} as const;

/** States of a trial. */
const running = 0;
const complete = 1;
const pruned = 2;
const failed = 3;
/** Complete, pruned, failed. */
const ended: readonly number[] = [complete, pruned, failed];

/** By it our trials are known again. */
const ownNumber = 'vradam_trial';

type Operation = Readonly<Record<string, unknown>> & { readonly op_code: number };

interface JournalTrial {
  readonly id: number;
  readonly study: number;
  state: number;
  value: number | null;
  readonly choices: Record<string, Choice>;
  own: number | null;
}

/** What a journal says, all of it taken together. */
interface Replay {
  /** Numbers of studies by name; deleted ones are missing. */
  readonly studies: Map<string, number>;
  /** Studies that were ever made. */
  studyCount: number;
  readonly trials: JournalTrial[];
}

/** Python writes NaN and infinities bare, which JSON has not. */
const readable = (line: string): string =>
  line.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (found) => (found.startsWith('"') ? found : 'null'));

function parse(path: string, text: string): Operation[] {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).map((line, i) => {
    try {
      return JSON.parse(readable(line)) as Operation;
    } catch (cause) {
      throw benchmarkError('ERR_FILE_FORMAT', {
        wrong: `line ${i + 1} of ${path} is no operation of an Optuna journal`,
        received: line.slice(0, 60),
        action: 'Restore the file, or name another one with --optuna-journal.',
        cause,
      });
    }
  });
}

/** What a number of Optuna's means: categories are counted. */
function choiceOf(internal: number, distribution: unknown): Choice {
  const { name, attributes } = JSON.parse(String(distribution)) as {
    name: string;
    attributes: { choices?: readonly Choice[] };
  };
  return name === 'CategoricalDistribution' ? (attributes.choices?.[internal] ?? internal) : internal;
}

/** Notes what an operation tells of a trial. */
function noteOfTrial(trial: JournalTrial, operation: Operation): void {
  switch (operation.op_code) {
    case op.parameter: {
      const value = choiceOf(operation['param_value_internal'] as number, operation['distribution']);
      trial.choices[String(operation['param_name'])] = value;
      break;
    }
    case op.state:
      trial.state = operation['state'] as number;
      trial.value = (operation['values'] as (number | null)[] | null)?.[0] ?? null;
      break;
    case op.userAttribute: {
      const own = (operation['user_attr'] as Record<string, unknown>)[ownNumber];
      if (typeof own === 'number') trial.own = own;
    }
  }
}

function replay(operations: readonly Operation[]): Replay {
  const all: Replay = { studies: new Map(), studyCount: 0, trials: [] };
  for (const operation of operations) {
    const study = operation['study_id'] as number;
    if (operation.op_code === op.createStudy) {
      const name = String(operation['study_name']);
      if (!all.studies.has(name)) all.studies.set(name, all.studyCount++); // a second one of a name is not accepted
    } else if (operation.op_code === op.deleteStudy) {
      for (const [name, number] of all.studies) if (number === study) all.studies.delete(name);
    } else if (operation.op_code === op.createTrial) {
      // a whole trial may come at once
      const { state = running, value = null } = operation as { state?: number; value?: number | null };
      all.trials.push({ id: all.trials.length, study, state, value, choices: {}, own: null });
    } else {
      const trial = all.trials[operation['trial_id'] as number];
      if (trial) noteOfTrial(trial, operation);
    }
  }
  return all;
}

function distributionOf(parameter: Parameter): string {
  const of = (name: string, attributes: object) => JSON.stringify({ name, attributes });
  switch (parameter.kind) {
    case 'float':
      return of('FloatDistribution', {
        step: null,
        low: parameter.low,
        high: parameter.high,
        log: parameter.log ?? false,
      });
    case 'integer':
      return of('IntDistribution', {
        step: 1,
        low: parameter.low,
        high: parameter.high,
        log: parameter.log ?? false,
      });
    case 'boolean':
      return of('CategoricalDistribution', { choices: [false, true] });
    default:
      return of('CategoricalDistribution', { choices: parameter.choices });
  }
}

function internalOf(parameter: Parameter, value: Choice): number {
  if (parameter.kind === 'boolean') return Number(value);
  return parameter.kind === 'categorical' ? parameter.choices.indexOf(value as string) : (value as number);
}

/** Optuna's dates have an offset and microseconds. */
const dateOf = (iso: string): string => iso.replace('Z', '000+00:00');

/** Operations that make a trial. */
function birthOf(
  { choices, at, trial }: Trial,
  space: Space,
  study: number,
  id: number,
): Omit<Operation, 'worker_id'>[] {
  const parameters = space.flatMap((parameter) => {
    const value = choices[parameter.name];
    if (value === undefined) return [];
    const [internal, distribution] = [internalOf(parameter, value), distributionOf(parameter)];
    return [
      {
        op_code: op.parameter,
        trial_id: id,
        param_name: parameter.name,
        param_value_internal: internal,
        distribution,
      },
    ];
  });
  return [
    { op_code: op.createTrial, study_id: study, datetime_start: dateOf(at) },
    { op_code: op.userAttribute, trial_id: id, user_attr: { [ownNumber]: trial } },
    ...parameters,
  ];
}

/** What Optuna takes a trial's value for: of a pruned one that of its last epoch. */
function stateOf(end: NonNullable<Trial['end']>): { state: number; values: number[] | null } {
  const value = end.state === 'pruned' ? lastLoss(end) : end.objective;
  const state = end.state === 'pruned' ? pruned : value === null ? failed : complete;
  return { state, values: value === null ? null : [value] };
}

/** The operations that end a trial: the losses of its epochs, where they were kept, and its state. */
function endOf({ end, at }: Trial, id: number): Omit<Operation, 'worker_id'>[] {
  if (!end) return [];
  const epochs = (end.epochLosses ?? []).flatMap((loss, step) =>
    loss === null ? [] : [{ op_code: op.epochLoss, trial_id: id, step, intermediate_value: loss }],
  );
  const dates = { datetime_start: dateOf(at), datetime_complete: dateOf(end.at) };
  return [...epochs, { op_code: op.state, trial_id: id, ...stateOf(end), ...dates }];
}

/** What a study knows that a journal does not. */
function missing(study: Study, known: Replay): Omit<Operation, 'worker_id'>[] {
  const { optimizers, spaces, task } = study.config;
  let next = known.trials.length;
  const lines: Omit<Operation, 'worker_id'>[] = [];
  for (const optimizer of optimizers) {
    const name = `${task}/${optimizer}`;
    if (!known.studies.has(name)) {
      lines.push({ op_code: op.createStudy, study_name: name, directions: [1] });
      known.studies.set(name, known.studyCount++);
    }
    const number = known.studies.get(name) as number;
    const space = spaceOf(spaces, task, optimizer);
    for (const trial of study.trials(optimizer)) {
      const there = known.trials.find((each) => each.study === number && each.own === trial.trial);
      if (there && there.state !== running) continue;
      const id = there?.id ?? next++;
      lines.push(...(there ? [] : birthOf(trial, space, number, id)), ...endOf(trial, id));
    }
  }
  return lines;
}

/** A journal beside a study. */
export class OptunaJournal {
  readonly #path: string;
  readonly #worker: string = `${randomUUID()}-0`;
  #queue: Promise<unknown> = Promise.resolve();
  #known: Replay = { studies: new Map(), studyCount: 0, trials: [] };

  /** @param path - of the file; made if missing. */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Adds what the journal lacks, and reads what others have added.
   *
   * @throws VRAdamError `ERR_FILE_FORMAT` for a line that is no operation, unless it is the last one and was cut short;
   *   `ERR_FILE_SYSTEM`.
   */
  sync(study: Study): Promise<void> {
    const result = this.#queue.then(() => this.#sync(study));
    this.#queue = result.catch(() => {});
    return result;
  }

  async #sync(study: Study): Promise<void> {
    await lock(`${this.#path}.lock`);
    try {
      const text = await readFile(this.#path, 'utf8').catch(() => '');
      this.#known = replay(parse(this.#path, text));
      const lines = missing(study, this.#known).map((line) => {
        const { op_code, ...rest } = line;
        return `${JSON.stringify({ op_code, worker_id: this.#worker, ...rest })}\n`;
      });
      if (lines.length > 0) await this.#append(text, lines.join(''));
    } finally {
      await rm(`${this.#path}.lock`, { force: true });
    }
  }

  async #append(text: string, lines: string): Promise<void> {
    try {
      const file = await open(this.#path, 'a');
      try {
        // what is left of a line that was cut short would spoil the next one
        if (!text.endsWith('\n') && text !== '')
          await file.truncate(Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
        await file.write(lines);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw fileSystemError(this.#path, error);
    }
  }

  /** Finished trials of others, as of the last {@link OptunaJournal.sync}: failed ones without an objective. */
  foreign(task: string, optimizer: OptimizerName): Tried[] {
    const number = this.#known.studies.get(`${task}/${optimizer}`);
    const others = this.#known.trials.filter(
      ({ study, own, state }) => study === number && own === null && ended.includes(state),
    );
    return others.map(({ choices, state, value }) => ({
      choices: choices as Choices,
      objective: state === failed ? null : value,
    }));
  }
}
