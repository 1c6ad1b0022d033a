import type { OperatorTable } from './operator.ts';

/** The family. */
export const conv: OperatorTable = {};
