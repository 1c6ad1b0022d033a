/** The host's side of the control buffer: what it knows, what it writes in every step. */

import { checkOptions, type OptimizerSpec, type Schedule } from '@vradam/core';
import type { Segment } from './arena.ts';
import type { Around } from './around.ts';
import { distinctRules } from './dispatches.ts';
import { fail } from './errors.ts';
import { groupWords, header, type Layout } from './layout.ts';
import type { Program } from './program.ts';
import type { Call } from './record.ts';
import type { Tensor } from './tensors.ts';

/** Counters as the device had them. */
export interface DeviceCounters {
  readonly step: number;
  readonly skipped: number;
  /** Batches gathered since the last step, and whose gradients; 0 where the host decides when to step. */
  readonly batch: number;
  readonly gathered: Uint32Array;
  readonly steps: Uint32Array;
  readonly skips: Uint32Array;
}

/** Counters out of the first words of the control buffer. */
export function parseCounters(layout: Layout, bytes: ArrayBuffer): DeviceCounters {
  const words = new Uint32Array(bytes);
  const [step = 0, skipped = 0, batch = 0] = words; // as in `header`
  const part = (start: number) => words.slice(start, start + layout.tensors);
  const { steps, skips, gathered } = layout;
  return { step, skipped, batch, steps: part(steps), skips: part(skips), gathered: part(gathered) };
}

/**
 * What the host counts. Where bad gradients are skipped the device may be behind it: then these are upper bounds, until
 * counters are read.
 */
export class Counters {
  /** Gradients that each tensor moved by; where the device decides when to step, those it was given. */
  readonly steps: Uint32Array<ArrayBuffer>;
  /** Whether each tensor has a sum of earlier batches, where the host decides when to step. */
  gathered: readonly boolean[];
  /** Learning rate set on the live optimizer, by group; null where the spec's holds. */
  learningRates: (number | null)[];

  /** Calls, also those that were skipped. */
  #calls = 0;
  /** How many of them the device is known to have done. */
  #done = 0;
  /** The last of them that may have left tensors apart: it moved some and not others. */
  #mixed = 0;
  #skipped = 0;
  readonly #around: Around;
  readonly #skips: Uint32Array<ArrayBuffer>;
  readonly #spec: OptimizerSpec;
  readonly #layout: Layout;
  readonly #queue: GPUQueue;
  readonly #control: GPUBuffer;
  readonly #tensors: readonly Tensor[];
  readonly #programs: readonly Program[];
  readonly #scratch: Float32Array<ArrayBuffer>;

  constructor(
    spec: OptimizerSpec,
    around: Around,
    layout: Layout,
    { queue }: GPUDevice,
    control: GPUBuffer,
    tensors: readonly Tensor[],
    programs: readonly Program[],
  ) {
    this.#spec = spec;
    this.#around = around;
    this.#layout = layout;
    this.#queue = queue;
    this.#control = control;
    this.#tensors = tensors;
    this.#programs = programs;
    this.steps = new Uint32Array(layout.tensors);
    this.#skips = new Uint32Array(layout.tensors);
    this.gathered = tensors.map(() => false);
    this.learningRates = spec.groups.map(() => null);
    this.#scratch = new Float32Array(layout.slotWords);
  }

  /** Steps taken. */
  get step(): number {
    return Math.floor((this.#calls - this.#skipped) / this.#around.batches);
  }

  /** Batches gathered since the last step. */
  get microStep(): number {
    return (this.#calls - this.#skipped) % this.#around.batches;
  }

  /** Calls that the device may have skipped, as far as is known. */
  get unseen(): number {
    return this.#around.skips ? this.#calls - this.#done : 0;
  }

  /** Writes words of the control buffer. */
  #write(
    word: number,
    data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
    start = 0,
    count = data.length,
  ): void {
    if (count > 0) this.#queue.writeBuffer(this.#control, 4 * word, data, start, count);
  }

  /** Writes what stays: the table of groups, their numbers, the owners of blocks. */
  writeTables(segments: readonly Segment[], partialsOf: (segment: number) => number): void {
    const { groupTable, numbers, owners } = this.#layout;
    const { ruleOf } = distinctRules(this.#programs);
    const table = new Uint32Array(this.#programs.length * groupWords);
    let [partial, number] = [0, numbers];
    for (const [g, { ruleNumbers }] of this.#programs.entries()) {
      const mine = segments.flatMap(({ group }, s) => (group === g ? [partialsOf(s)] : []));
      const end = mine.reduce((sum, count) => sum + count, partial);
      table.set([partial, end, number, ruleOf[g] as number], g * groupWords);
      [partial, number] = [end, number + ruleNumbers.length];
    }
    this.#write(groupTable, table);
    this.#write(numbers, Float32Array.from(this.#programs.flatMap(({ ruleNumbers }) => ruleNumbers)));
    let block = owners;
    for (const { owners: ofSegment } of segments) {
      this.#write(block, Uint32Array.from(ofSegment));
      block += ofSegment.length;
    }
  }

  /** Base learning rates of the groups in a step. */
  rates(step: number): number[] {
    return this.#spec.groups.map(({ name, options }, g) => {
      const given: number | Schedule = this.learningRates[g] ?? options.learningRate;
      const learningRate = typeof given === 'function' ? given(step) : given;
      checkOptions(`group ${name}`, { learningRate }, { learningRate: '[0, Infinity)' });
      return learningRate;
    });
  }

  /** Writes rates into the slot of a step. */
  #writeRates(step: number, rates: readonly number[]): void {
    const { ring, slots, slotWords } = this.#layout;
    this.#write(ring + (step % slots) * slotWords, Float32Array.from(rates));
  }

  /** Writes what a step needs: its rates, and each tensor's numbers. */
  writeStep(rates: readonly number[]): void {
    const { slots } = this.#layout;
    if (this.unseen >= slots - 1) {
      fail(
        'ERR_UNSUPPORTED',
        `over ${slots - 2} steps without a chance to read. Await stats() now and then.`,
      );
    }
    this.#writeRates(this.step, rates);
    this.#writeRows();
  }

  /** Writes each tensor's numbers into the slot of the tensor's own step. */
  #writeRows(): void {
    const { slots, columns, ring, slotWords, groups } = this.#layout;
    if (columns === 0) return;
    const { steps } = this;
    for (let start = 0, end = 0; start < steps.length; start = end) {
      const step = steps[start] as number;
      const rows = new Map<string, readonly number[]>();
      for (end = start; end < steps.length && steps[end] === step; end++) {
        this.#scratch.set(this.#row(end, step, rows), (end - start) * columns);
      }
      const slot = ring + (step % slots) * slotWords + groups;
      this.#write(slot + start * columns, this.#scratch, 0, (end - start) * columns);
    }
  }

  /** A tensor's numbers; those of its like were computed before. */
  #row(tensor: number, step: number, rows: Map<string, readonly number[]>): readonly number[] {
    const { group, weightDecay } = this.#tensors[tensor] as Tensor;
    const key = `${group} ${weightDecay}`;
    const row = rows.get(key) ?? (this.#programs[group] as Program).row(step + 1, weightDecay);
    rows.set(key, row);
    return row;
  }

  /** Rewrites the rates of steps that the device may still have before it. */
  rewriteRates(): void {
    const first = Math.max(0, this.step - Math.min(this.unseen, this.#layout.slots - 1));
    for (let step = first; step <= this.step; step++) this.#writeRates(step, this.rates(step));
  }

  /** Counts a call. */
  count({ isStep, moves }: Pick<Call, 'isStep' | 'moves'>): void {
    this.#calls++;
    if (moves.includes(false)) this.#mixed = this.#calls;
    this.gathered = isStep ? moves.map(() => false) : moves;
    if (!isStep) return;
    for (let t = 0; t < this.steps.length; t++) if (moves[t]) (this.steps[t] as number)++;
  }

  /**
   * Whether tensors with equal `steps` have equal ones on the device, too. Tensors that moved apart since the device was
   * asked may differ there: a skipped step counted for one and not for the other.
   */
  get isExact(): boolean {
    return !this.#around.skips || this.#mixed <= this.#done;
  }

  /** Takes note of what the device has done: `gathered` tells which tensors' sums will yet count as a step. */
  #note(done: number, skipped: number, gathered: ArrayLike<number>): void {
    this.#done = done;
    this.#skipped = skipped;
    const isUneven = Array.from(gathered).some((one) => one !== gathered[0]);
    if (isUneven) this.#mixed = Math.max(this.#mixed, done + 1);
  }

  /** Learns from the device which calls it skipped, and which gradients came to no step of their own. */
  learn({ step, skipped, batch, skips, gathered }: DeviceCounters): void {
    if (!this.#around.skips) return;
    this.#note(step * this.#around.batches + batch + skipped, skipped, gathered);
    for (const [t, count] of skips.entries()) {
      (this.steps[t] as number) -= count - (this.#skips[t] as number);
      this.#skips[t] = count;
    }
  }

  /** Takes counters over, on the device too. */
  reset(
    step: number,
    skipped: number,
    batch: number,
    steps: readonly number[],
    gathered: readonly boolean[],
  ): void {
    const { judges, batches } = this.#around;
    const [onDevice, sums] = [judges ? batch : 0, gathered.map((one) => Number(judges && one))];
    this.gathered = gathered.map((one) => one && !judges);
    this.#calls = step * batches + batch + skipped;
    this.#mixed = 0;
    this.#note(this.#calls, skipped, sums);
    this.steps.set(steps);
    this.#skips.fill(0);
    this.#write(header.step, Uint32Array.of(step, skipped, onDevice));
    this.#write(this.#layout.steps, this.steps);
    this.#write(this.#layout.skips, this.#skips);
    this.#write(this.#layout.gathered, Uint32Array.from(sums));
    if (judges) this.#writeRows(); // a sum under way moves by the numbers of before it
    for (const [t, sum] of sums.entries()) (this.steps[t] as number) += sum;
  }
}
