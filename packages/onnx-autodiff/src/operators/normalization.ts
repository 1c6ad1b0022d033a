import type { OperatorTable } from './operator.ts';

/** The family. */
export const normalization: OperatorTable = {};
