/** Trials in processes of this machine. */

import { join } from 'node:path';
import type { Sources } from '../run/run.ts';
import type { Executor } from './executor.ts';
import { runTrial } from './runTrial.ts';

/** Where a study is, and what its trials may take. */
export interface LocalOptions extends Sources {
  /** Folder of the study. */
  readonly folder: string;
  /** Seconds after which a trial is ended by force; infinity for never. */
  readonly limit: number;
}

/** Runs each trial in a process of its own. */
export function localExecutor({ folder, limit, data, tokenizer }: LocalOptions): Executor {
  return {
    run(order, company) {
      return runTrial(order, { data, tokenizer, results: join(folder, order.folder) }, limit, company);
    },
    async forget() {},
    async close() {},
  };
}
