/** Metrics of a run for TensorBoard: a folder for each optimizer, which it shows as a run of its own. */

import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileHeader, scalarEvent } from './events.ts';
import type { MetricsLine, StepLine } from './records.ts';

/** Numbers by tag; what is not a number is left out. */
function numbers(entries: readonly (readonly [tag: string, value: unknown])[]): Record<string, number> {
  return Object.fromEntries(
    entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

/** Scalars of a line. */
function scalarsOf(line: MetricsLine): Record<string, number> {
  const own = 'metrics' in line ? Object.entries(line.metrics ?? {}) : [];
  const extras = (part: string) => own.map(([name, value]) => [`${name}/${part}`, value] as const);
  switch (line.kind) {
    case 'step':
      return numbers([
        ['loss/training', line.loss],
        ['learning rate/base', line.learningRate],
        ['learning rate/effective', line.effectiveLearningRate],
        ['norm', line.norm],
        ['milliseconds/step', line.stepMs],
        ['milliseconds/optimizer', line.optimizerMs],
        ...extras('training'),
      ]);
    case 'epoch':
      return numbers([
        ['loss/training, epoch', line.trainLoss],
        ['loss/validation', line.validationLoss],
        ['accuracy/validation', line.validationAccuracy],
        ...extras('validation'),
      ]);
    case 'final':
      return numbers([['loss/test', line.testLoss], ['accuracy/test', line.testAccuracy], ...extras('test')]);
    case 'failure':
      return { 'loss/training': Number.NaN };
    default:
      return line satisfies never;
  }
}

/** Name of the folder within a run's folder. */
export const eventsFolder = 'tensorboard';

/**
 * Event files beside `metrics.jsonl`, and made of it alone: step and time of an event follow from the lines before it,
 * so that a resumed run has the files of one that was never interrupted.
 */
export class EventFiles {
  readonly #folder: string;
  readonly #startedAt: number;
  /** Steps taken, by optimizer. */
  readonly #steps = new Map<string, number>();
  /** Seconds since 1970: the run's beginning, and all steps since. */
  #now: number;

  /**
   * @param runFolder - of the run.
   * @param startedAt - of the run, in milliseconds since 1970.
   */
  constructor(runFolder: string, startedAt: number) {
    this.#folder = join(runFolder, eventsFolder);
    this.#startedAt = startedAt / 1000;
    this.#now = this.#startedAt;
  }

  /** Writes all files anew, from what was measured so far. */
  async rewrite(lines: readonly MetricsLine[]): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await this.append(lines);
  }

  /** Adds lines. */
  async append(lines: readonly MetricsLine[]): Promise<void> {
    const added = new Map<string, Uint8Array[]>();
    for (const line of lines) {
      const { optimizer } = line;
      if (!this.#steps.has(optimizer)) await this.#begin(optimizer);
      if (line.kind === 'step') this.#count(line);
      const event = scalarEvent(this.#now, this.#steps.get(optimizer) as number, scalarsOf(line));
      added.get(optimizer)?.push(event) ?? added.set(optimizer, [event]);
    }
    for (const [name, events] of added) await appendFile(this.#fileOf(name), Buffer.concat(events));
  }

  #count({ optimizer, step, stepMs }: StepLine): void {
    this.#now += stepMs / 1000;
    this.#steps.set(optimizer, step + 1);
  }

  #fileOf(optimizer: string): string {
    const seconds = String(Math.floor(this.#startedAt)).padStart(10, '0');
    return join(this.#folder, optimizer, `events.out.tfevents.${seconds}.vradam`);
  }

  /** Begins the file of an optimizer. */
  async #begin(optimizer: string): Promise<void> {
    this.#steps.set(optimizer, 0);
    await mkdir(join(this.#folder, optimizer), { recursive: true });
    await writeFile(this.#fileOf(optimizer), fileHeader(this.#now));
  }
}
