/** Gradients of several batches. */

import { fail } from './errors.ts';
import type { HostTensor } from './results.ts';

/** Sums by parameter name, and of how many batches. */
export class GradientSum {
  #sums = new Map<string, Float32Array>();
  #batches = 0;

  /** Adds those of a batch. */
  add(gradients: Readonly<Record<string, HostTensor>>): void {
    for (const [name, { data }] of Object.entries(gradients)) {
      const sum = this.#sums.get(name);
      if (sum) for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (data[i] as number);
      else this.#sums.set(name, data.slice());
    }
    this.#batches++;
  }

  /** The mean over batches. Throws `ERR_UNSUPPORTED` of none. */
  mean(): ReadonlyMap<string, Float32Array> {
    if (this.#batches === 0) {
      fail('ERR_UNSUPPORTED', 'optimizerStep() needs gradients. Received: none. Call accumulate() before.');
    }
    const means = [...this.#sums].map(([name, sum]) => [name, sum.map((x) => x / this.#batches)] as const);
    return new Map(means);
  }

  /** Forgets them all. */
  clear(): void {
    this.#sums.clear();
    this.#batches = 0;
  }
}
