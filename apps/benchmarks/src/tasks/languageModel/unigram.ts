/** The baseline that knows no context: how frequent each token is. */

import type { Batch } from '../../nn/nn.ts';

/**
 * Mean cross-entropy, in nats a token, of labels under the frequencies of the training tokens, each counted once more
 * than it is there.
 *
 * @param train - training tokens.
 * @param batches - with `labels`.
 * @param vocabulary - tokens there are.
 * @param ignore - label that is not judged; null where there is none.
 */
export function unigramLoss(
  train: Int32Array,
  batches: Iterable<Batch>,
  vocabulary: number,
  ignore: number | null,
): number {
  const counts = new Float64Array(vocabulary).fill(1);
  for (const token of train) counts[token] = (counts[token] as number) + 1;
  const total = train.length + vocabulary;
  let [sum, judged] = [0, 0];
  for (const { labels } of batches) {
    for (const label of labels?.data ?? []) {
      if (label === ignore) continue;
      sum -= Math.log((counts[label] as number) / total);
      judged++;
    }
  }
  return sum / judged;
}
