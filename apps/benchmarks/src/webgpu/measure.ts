/** Time of steps on a device: on the device's clock where it has one, else by the wall, or by the CPU in software. */

/// <reference lib="dom" />

import { median } from '../report/summary.ts';
import type { Contestant } from './cases.ts';
import type { OpenDevice } from './device.ts';

/** What was measured of one contestant. */
export interface WebGPUResult {
  readonly name: string;
  /** Bytes a parameter moves, as designed. */
  readonly bytes: number;
  /** Median time of a step, in milliseconds, by the clock that the report names. */
  readonly ms: number;
  readonly leastMs: number;
  /** Median over the rounds of (this / the reference of the same round). */
  readonly ratio: number;
  /** Median CPU time to record a step while nothing runs, in milliseconds; a mean of 16 in a row. */
  readonly encodeMs: number;
}

/** How time is told: `gpu` by timestamps, `cpu` by the time of all threads, which a software device shares with others. */
export type Clock = 'gpu' | 'cpu';

/** Measures one step at a time. */
class Stopwatch {
  readonly clock: Clock;
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet | undefined;
  readonly #resolved: GPUBuffer | undefined;
  readonly #read: GPUBuffer | undefined;

  constructor({ device, isSoftware }: OpenDevice) {
    this.#device = device;
    this.clock = !isSoftware && device.features.has('timestamp-query') ? 'gpu' : 'cpu';
    if (this.clock === 'cpu') return;
    this.#queries = device.createQuerySet({ type: 'timestamp', count: 2 });
    this.#resolved = device.createBuffer({ size: 16, usage: 0x200 | 0x4 }); // QUERY_RESOLVE, COPY_SRC
    this.#read = device.createBuffer({ size: 16, usage: 0x1 | 0x8 }); // MAP_READ, COPY_DST
  }

  #stamp(encoder: GPUCommandEncoder, index: number): void {
    const querySet = this.#queries as GPUQuerySet;
    encoder.beginComputePass({ timestampWrites: { querySet, endOfPassWriteIndex: index } }).end();
  }

  async #onDevice(record: (encoder: GPUCommandEncoder) => void): Promise<number> {
    const [queries, resolved, read] = [this.#queries, this.#resolved, this.#read] as [
      GPUQuerySet,
      GPUBuffer,
      GPUBuffer,
    ];
    const encoder = this.#device.createCommandEncoder();
    this.#stamp(encoder, 0);
    record(encoder);
    this.#stamp(encoder, 1);
    encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, read, 0, 16);
    this.#device.queue.submit([encoder.finish()]);
    await read.mapAsync(1);
    const [begin, end] = new BigUint64Array(read.getMappedRange()) as unknown as [bigint, bigint];
    const ms = Number(end - begin) / 1e6;
    read.unmap();
    return ms;
  }

  async #onCpu(record: (encoder: GPUCommandEncoder) => void): Promise<number> {
    const encoder = this.#device.createCommandEncoder();
    const begin = process.cpuUsage();
    record(encoder);
    this.#device.queue.submit([encoder.finish()]);
    await this.#device.queue.onSubmittedWorkDone();
    const { user, system } = process.cpuUsage(begin);
    return (user + system) / 1000;
  }

  /** Milliseconds of a step, for one of `steps` in a row. */
  async time(steps: number, { encode }: Contestant): Promise<number> {
    const record = (encoder: GPUCommandEncoder): void => {
      for (let k = 0; k < steps; k++) encode(encoder);
    };
    return (await (this.clock === 'gpu' ? this.#onDevice(record) : this.#onCpu(record))) / steps;
  }

  /** CPU milliseconds that recording a step takes, for one of several in a row, with nothing else under way. */
  async encoding({ encode }: Contestant): Promise<number> {
    const inARow = 16;
    const encoder = this.#device.createCommandEncoder();
    await this.#device.queue.onSubmittedWorkDone();
    const begin = process.cpuUsage();
    for (let k = 0; k < inARow; k++) encode(encoder);
    const { user, system } = process.cpuUsage(begin);
    this.#device.queue.submit([encoder.finish()]);
    await this.#device.queue.onSubmittedWorkDone();
    return (user + system) / 1000 / inARow;
  }
}

/** Time to record a step, once the engine has compiled the code that does it. */
async function medianEncoding(watch: Stopwatch, contestant: Contestant): Promise<number> {
  const [warmUp, measured] = [6, 9];
  const times: number[] = [];
  for (let k = 0; k < warmUp + measured; k++) times.push(await watch.encoding(contestant));
  return median(times.slice(warmUp));
}

/**
 * Measures contestants in turns, and releases them.
 *
 * @param reference - place of the one that ratios are to.
 */
export async function measureContestants(
  open: OpenDevice,
  contestants: readonly Contestant[],
  reference: number,
  rounds: number,
  steps: number,
): Promise<{ clock: Clock; results: WebGPUResult[] }> {
  const watch = new Stopwatch(open);
  const times = contestants.map((): number[] => []);
  for (const contestant of contestants) await watch.time(2, contestant);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      times[i]?.push(await watch.time(steps, contestant));
    }
  }
  const encodings: number[] = [];
  for (const contestant of contestants) encodings.push(await medianEncoding(watch, contestant));
  for (const { destroy } of contestants) destroy();
  const references = times[reference] as number[];
  const results = contestants.map(({ name, bytes }, i) => {
    const own = times[i] as number[];
    const ratio = median(own.map((ms, round) => ms / (references[round] as number)));
    return {
      name,
      bytes,
      ms: median(own),
      leastMs: Math.min(...own),
      ratio,
      encodeMs: encodings[i] as number,
    };
  });
  return { clock: watch.clock, results };
}
