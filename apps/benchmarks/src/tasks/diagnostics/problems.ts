/** All problems, in the order of the table. */

import { landscapes } from './landscapes.ts';
import { models } from './models.ts';
import type { Diagnostic } from './problem.ts';
import { quadratics } from './quadratics.ts';
import { signals } from './signals.ts';

/** See the task's README. */
export const diagnostics: readonly Diagnostic[] = [...quadratics, ...landscapes, ...signals, ...models];
