/**
 * What a run leaves behind: `run.json` and `metrics.jsonl`, the source of every table and figure.
 *
 * Over 300 lines: the record, its lines and the folder that holds them are one format, and are read together.
 */

import { appendFile, mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepReport } from '../engines/engine.ts';
import { benchmarkError, fileSystemError, isFileSystemError } from '../errors.ts';
import type { Brake } from '../tasks/preset.ts';
import type {
  Baseline,
  OptimizerName,
  OwnOptions,
  PresetName,
  ScheduleName,
  TaskOptimizer,
} from '../tasks/task.ts';
import { lineShapes, misshapen, recordShape } from './shape.ts';
import { EventFiles, eventsFolder } from './tensorboard.ts';

/** What was asked for. Options that a task came to have later are absent in records of before. */
export interface RunConfig extends Partial<OwnOptions> {
  /** Name of the task. */
  readonly task: string;
  /** Size. */
  readonly preset: PresetName;
  /** Engine. */
  readonly engine: string;
  /** Optimizers, in the order of the race. */
  readonly optimizers: readonly OptimizerName[];
  /** Seed of everything random. */
  readonly seed: number;
  /** Schedule. */
  readonly schedule: ScheduleName;
  /** Epochs. */
  readonly epochs: number;
  /** What the brake of VRAdam has in place of the preset's; absent where it has nothing of its own. */
  readonly brake?: Partial<Brake>;
}

/** Contents of `run.json`. */
export interface RunRecord {
  /** Always `vradam-run/1`. */
  readonly schema: 'vradam-run/1';
  /** Name of the run: its folder. */
  readonly name: string;
  /** How it stands. */
  readonly status: 'running' | 'interrupted' | 'completed';
  /** What was asked for. */
  readonly config: RunConfig;
  /** Every number of the task's preset. */
  readonly taskConfig: Readonly<Record<string, unknown>>;
  /** Hyper-parameters of every optimizer. */
  readonly optimizers: Readonly<Record<string, TaskOptimizer['options']>>;
  /** One plain line saying what data were used. */
  readonly dataLine: string;
  /** Source, counts and checksums of the data. */
  readonly data: Readonly<Record<string, unknown>>;
  /** What can be had without learning; absent where there is nothing to compare with. */
  readonly baselines?: readonly Baseline[];
  /** Whether losses are nats a token; absent where they are not. */
  readonly perplexity?: boolean;
  /** Elements of all parameters, and multiply-accumulates of one example's forward pass. */
  readonly network: { readonly parameters: number; readonly macs: number };
  /** Versions of what it ran on. */
  readonly versions: Readonly<Record<string, string>>;
  /** Threads that the engine was held to; absent where it takes the machine's cores. */
  readonly threads?: number;
  /** The machine. */
  readonly hardware: Readonly<Record<string, unknown>>;
  /** Commit of the working tree, with `+changes` if it was not clean; null outside of git. */
  readonly commit: string | null;
  /** ISO 8601. */
  readonly startedAt: string;
  /** ISO 8601; null while it runs. */
  readonly finishedAt: string | null;
  /** Largest resident memory of the process, in MiB; null while it runs. */
  readonly peakMemoryMiB: number | null;
}

/** A line about a training step. */
export interface StepLine extends StepReport {
  readonly kind: 'step';
  readonly optimizer: OptimizerName;
  /** Epoch, from 0. */
  readonly epoch: number;
  /** Step over all epochs, from 0. */
  readonly step: number;
  /** Wall time of making the batch, in milliseconds; absent in records of before. */
  readonly batchMs?: number;
  /** What else the task tells of the batch; absent where it tells nothing. */
  readonly metrics?: Metrics;
}

/** Numbers of a task's own, by name. */
export type Metrics = Readonly<Record<string, number>>;

/** A line about a finished epoch. */
export interface EpochLine {
  readonly kind: 'epoch';
  readonly optimizer: OptimizerName;
  readonly epoch: number;
  /** Unweighted mean of the batch losses in training mode. */
  readonly trainLoss: number;
  /** Per-example mean in evaluation mode. */
  readonly validationLoss: number;
  /** Null where nothing can be right or wrong. */
  readonly validationAccuracy: number | null;
  /** What else the task tells of the validation batches, as a mean over them; absent where it tells nothing. */
  readonly metrics?: Metrics;
}

/** A line about a finished optimizer. */
export interface FinalLine {
  readonly kind: 'final';
  readonly optimizer: OptimizerName;
  readonly testLoss: number;
  /** Null where nothing can be right or wrong. */
  readonly testAccuracy: number | null;
  /** What else the task tells of the test batches, as a mean over them; absent where it tells nothing. */
  readonly metrics?: Metrics;
}

/** A line about an optimizer that could not go on; its remaining metrics are NaN. */
export interface FailureLine {
  readonly kind: 'failure';
  readonly optimizer: OptimizerName;
  readonly epoch: number;
  readonly step: number;
  readonly reason: string;
}

/** A line of `metrics.jsonl`. */
export type MetricsLine = StepLine | EpochLine | FinalLine | FailureLine;

/** JSON has no NaN and no infinity: they are written as texts. A replacer for `JSON.stringify`. */
export const encode = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
/** Their numbers again. A reviver for `JSON.parse`. */
export const decode = (_: string, value: unknown): unknown =>
  value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : value;

/** A line of metrics; throws where it is none. */
function checkedLine(value: { readonly kind?: unknown } | null): MetricsLine {
  const kind = String(value?.kind);
  const shape = Object.hasOwn(lineShapes, kind) ? lineShapes[kind] : undefined;
  const wrong = shape ? misshapen(value, shape) : 'kind';
  if (wrong !== null) throw new TypeError(`nothing usable at ${wrong}`);
  return value as MetricsLine;
}

/** Does something with files, and says of which folder they are if the disk does not let it. */
async function onDisk<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw isFileSystemError(error) ? fileSystemError(path, error) : error;
  }
}

/** The files of one run. A disk that is full or cannot be written is an error `ERR_FILE_SYSTEM`. */
export class RunFolder {
  /** Path of the folder. */
  readonly path: string;
  #events: EventFiles | null = null;

  /** @param path - the run's folder. */
  constructor(path: string) {
    this.path = path;
  }

  #file(name: string): string {
    return join(this.path, name);
  }

  /** Whether a run is there. */
  async exists(): Promise<boolean> {
    return (await stat(this.#file('run.json')).catch(() => null)) !== null;
  }

  /** Makes the folder; refuses one that already holds a run. */
  async create(record: RunRecord): Promise<void> {
    await onDisk(this.path, () => mkdir(this.path, { recursive: true }));
    if (await this.exists()) {
      throw benchmarkError('ERR_RUN_EXISTS', {
        wrong: 'a run of that name is already there',
        received: record.name,
        action: 'Choose another --name, or continue it with --resume.',
      });
    }
    // the record last: a folder with one is a whole run, whenever the process ends
    await onDisk(this.path, () => writeFile(this.#file('metrics.jsonl'), ''));
    await this.writeRecord(record);
  }

  /** Replaces `run.json` in one move, so that it is never half written. */
  async writeRecord(record: RunRecord): Promise<void> {
    await this.#replace('run.json', `${JSON.stringify(record, encode, 2)}\n`);
  }

  /** Reads `run.json`. */
  async readRecord(): Promise<RunRecord> {
    const record = await this.#readJson();
    const schema: unknown = record?.schema;
    if (record?.schema === 'vradam-run/1') return this.#checked(record);
    const isOther = typeof schema === 'string' && schema.startsWith('vradam-run/');
    throw benchmarkError(isOther ? 'ERR_STATE_VERSION' : 'ERR_FILE_FORMAT', {
      wrong: `${this.#file('run.json')} is ${isOther ? 'of another version: this one reads vradam-run/1' : 'not the record of a run'}`,
      received: schema,
      action: isOther ? 'Use the version that wrote it, or leave it out.' : 'Name the folder of a run.',
    });
  }

  #checked(record: RunRecord): RunRecord {
    const wrong = misshapen(record, recordShape);
    if (wrong === null) return record;
    throw benchmarkError('ERR_FILE_FORMAT', {
      wrong: `${this.#file('run.json')} is damaged`,
      received: `nothing usable at ${wrong}`,
      action: 'Restore the file, or leave the run out.',
    });
  }

  async #readJson(): Promise<RunRecord | null> {
    try {
      return JSON.parse(await readFile(this.#file('run.json'), 'utf8'), decode) as RunRecord | null;
    } catch (cause) {
      throw benchmarkError('ERR_RUN_NOT_FOUND', {
        wrong: 'there is no readable run',
        received: this.path,
        action: 'Name a folder with a run.json.',
        cause,
      });
    }
  }

  /** Adds lines to `metrics.jsonl`. */
  async append(...lines: MetricsLine[]): Promise<void> {
    const text = lines.map((line) => `${JSON.stringify(line, encode)}\n`).join('');
    await onDisk(this.path, async () => {
      await appendFile(this.#file('metrics.jsonl'), text);
      await this.#events?.append(lines);
    });
  }

  /**
   * From now on, writes what is measured for TensorBoard too; from before, what is in `metrics.jsonl`.
   *
   * @param startedAt - of the run, ISO 8601.
   */
  async openEvents(startedAt: string): Promise<void> {
    const lines = await this.readMetrics();
    const events = new EventFiles(this.path, Date.parse(startedAt));
    await onDisk(this.path, () => events.rewrite(lines));
    this.#events = events;
  }

  /** Whether the run has been written for TensorBoard. */
  async hasEvents(): Promise<boolean> {
    return (await stat(this.#file(eventsFolder)).catch(() => null)) !== null;
  }

  /** Length of `metrics.jsonl`, in bytes. */
  async metricsBytes(): Promise<number> {
    return (await onDisk(this.path, () => stat(this.#file('metrics.jsonl')))).size;
  }

  /** Cuts `metrics.jsonl` back to where a checkpoint was made. */
  async truncateMetrics(bytes: number): Promise<void> {
    if ((await this.metricsBytes()) < bytes) {
      throw benchmarkError('ERR_FILE_FORMAT', {
        wrong: `${this.#file('metrics.jsonl')} is shorter than its checkpoint says`,
        received: `${await this.metricsBytes()} bytes instead of ${bytes}`,
        action: 'The run cannot be continued; start a new one.',
      });
    }
    await truncate(this.#file('metrics.jsonl'), bytes);
  }

  /** Reads all whole lines of `metrics.jsonl`; a last line without its end, from a killed process, is left out. */
  async readMetrics(): Promise<MetricsLine[]> {
    const text = await onDisk(this.path, () => readFile(this.#file('metrics.jsonl'), 'utf8'));
    const lines = text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(Boolean);
    return lines.map((line, i) => {
      try {
        return checkedLine(JSON.parse(line, decode));
      } catch (cause) {
        throw benchmarkError('ERR_FILE_FORMAT', {
          wrong: `line ${i + 1} of ${this.#file('metrics.jsonl')} is no line of metrics`,
          received: line.slice(0, 60),
          action: 'Restore the file, or leave the run out.',
          cause,
        });
      }
    });
  }

  /** Writes a checkpoint in one move. */
  async writeCheckpoint(bytes: Uint8Array): Promise<void> {
    await this.#replace('checkpoint.safetensors', bytes);
  }

  /** Reads the checkpoint, or null if there is none. */
  async readCheckpoint(): Promise<Uint8Array | null> {
    return readFile(this.#file('checkpoint.safetensors')).catch(() => null);
  }

  async #replace(name: string, content: string | Uint8Array): Promise<void> {
    const part = this.#file(`${name}.part`);
    try {
      await onDisk(this.path, async () => {
        await writeFile(part, content);
        await rename(part, this.#file(name));
      });
    } catch (error) {
      await rm(part, { force: true }); // on a full disk its bytes are needed
      throw error;
    }
  }
}
