/** Trials of a sweep in this very process, one after another. */

import { join } from 'node:path';
import type { EpochLine } from '../src/run/records.ts';
import { startOrResumeRun } from '../src/run/run.ts';
import type { Executor } from '../src/sweep/executor.ts';

const silent = { begin() {}, step() {}, epoch() {}, final() {}, failure() {} };
const company = { started: () => silent, signal: new AbortController().signal };

/** @param folder - of the study. */
export function inProcess(folder: string): Executor {
  return {
    async run(order) {
      const losses: number[][] = [];
      for (const run of order.runs) {
        const results = join(folder, order.folder);
        const done = await startOrResumeRun(
          { ...run, data: undefined, tokenizer: undefined, results },
          company,
        );
        const epochs = (await done.readMetrics()).filter((line): line is EpochLine => line.kind === 'epoch');
        losses.push(epochs.map(({ validationLoss }) => validationLoss));
      }
      return { state: 'complete', losses };
    },
    async forget() {},
    async close() {},
  };
}
