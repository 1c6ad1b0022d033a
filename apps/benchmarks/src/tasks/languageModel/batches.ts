/** From tokens to batches: sequences that do not overlap, and the tokens that follow. */

import { shuffler } from 'd3-array';
import type { Batch, HostTensor } from '../../nn/nn.ts';
import type { Random } from '../../random.ts';

/** Text cut into sequences of one more token than the model sees. */
export interface Sequences {
  /** All tokens; sequence `i` begins at `i (length + 1)`. */
  readonly tokens: Int32Array;
  /** Positions that the model sees. */
  readonly length: number;
  /** Sequences. */
  readonly count: number;
}

/**
 * Cuts tokens. What remains at the end is left out, and if nothing remains the last sequence is, as in the paper's code.
 *
 * @param most - sequences at most; the first ones are taken.
 */
export function cutSequences(tokens: Int32Array, length: number, most: number): Sequences {
  const whole = Math.floor((tokens.length - 1) / (length + 1));
  return { tokens, length, count: Math.max(0, Math.min(whole, most)) };
}

function batchOf({ tokens, length }: Sequences, rows: readonly number[]): Batch {
  const part = (offset: number): HostTensor => {
    const data = new Int32Array(rows.length * length);
    for (const [i, row] of rows.entries()) {
      const begin = row * (length + 1) + offset;
      data.set(tokens.subarray(begin, begin + length), i * length);
    }
    return { shape: [rows.length, length], data };
  };
  return { tokens: part(0), labels: part(1) };
}

/**
 * Batches of all sequences; the last one may be smaller.
 *
 * @param random - shuffles them; without it they come in order.
 */
export function* batches(sequences: Sequences, size: number, random?: Random): Generator<Batch> {
  const inOrder = Array.from({ length: sequences.count }, (_, i) => i);
  const rows = random ? shuffler(random.next)(inOrder) : inOrder;
  for (let begin = 0; begin < rows.length; begin += size) {
    yield batchOf(sequences, rows.slice(begin, begin + size));
  }
}
