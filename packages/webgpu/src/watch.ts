/** What turns out bad only once it is used: buffers of another device, destroyed ones, commands that are not valid. */

import { failure } from './errors.ts';
import { copySource, copyTarget } from './platform.ts';

/** A caller's buffer in use. */
export interface Use {
  /** What to call it, e.g. `gradient "w"`. */
  readonly what: string;
  readonly buffer: GPUBuffer;
  /** Whether it is written to. */
  readonly written: boolean;
}

/** Finds errors without holding anything up, and keeps the first one until somebody asks. */
export class Watch {
  readonly #device: GPUDevice;
  readonly #scratch: GPUBuffer;
  readonly #known = new WeakSet<GPUBuffer>();
  #failure: Error | undefined;
  #pending: Promise<void> = Promise.resolve();

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#scratch = device.createBuffer({ label: 'vradam probe', size: 4, usage: copySource | copyTarget });
  }

  /** Throws what was found since the last call. */
  throwIfFailed(): void {
    const found = this.#failure;
    this.#failure = undefined;
    if (found) throw found;
  }

  /** Awaits all that is under way, then throws what was found. */
  async settle(): Promise<void> {
    await this.#pending;
    this.throwIfFailed();
  }

  #keep(search: Promise<Error | undefined>): void {
    const before = this.#pending;
    this.#pending = (async () => {
      await before;
      const found = await search.catch(() => undefined); // of a lost device, which the optimizer reports itself
      this.#failure ??= found;
    })();
  }

  /** Runs commands in an error scope; should they fail, what they use is searched for the culprit. */
  guard(what: string, uses: () => readonly Use[], run: () => void): void {
    this.#device.pushErrorScope('validation');
    try {
      run();
    } finally {
      const scope = this.#device.popErrorScope();
      this.#keep(
        scope.then(async (error) => {
          if (!error) return undefined;
          const culprit = await this.#tryAll(uses());
          return culprit ?? failure('ERR_VALIDATION', `${what} failed: ${error.message}`, error);
        }),
      );
    }
  }

  /** Whether a buffer was tried; one that holds nothing need not be. */
  knows(buffer: GPUBuffer): boolean {
    return buffer.size < 4 || this.#known.has(buffer);
  }

  /** Tries buffers for the first time. */
  try(uses: readonly Use[]): void {
    if (uses.length === 0) return;
    for (const { buffer } of uses) this.#known.add(buffer);
    this.#keep(this.#tryAll(uses));
  }

  async #tryAll(uses: readonly Use[]): Promise<Error | undefined> {
    const found = await Promise.all(uses.map((use) => this.#try(use)));
    return found.find((error) => error !== undefined);
  }

  /** Copies 4 bytes out of a buffer, and back if it is to be written. */
  async #try({ what, buffer, written }: Use): Promise<Error | undefined> {
    const device = this.#device;
    const explain = (cause: unknown) =>
      failure('ERR_BUFFER', `${what} cannot be used on this device: ${(cause as Error).message}`, cause);
    device.pushErrorScope('validation');
    let thrown: Error | undefined;
    try {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, this.#scratch, 0, 4);
      if (written) encoder.copyBufferToBuffer(this.#scratch, 0, buffer, 0, 4);
      device.queue.submit([encoder.finish()]);
    } catch (error) {
      thrown = explain(error); // not even a buffer of this implementation
    }
    const error = await device.popErrorScope();
    return thrown ?? (error ? explain(error) : undefined);
  }

  destroy(): void {
    this.#scratch.destroy();
  }
}
