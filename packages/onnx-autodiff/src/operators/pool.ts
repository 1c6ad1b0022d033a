import type { OperatorTable } from './operator.ts';

/** The family. */
export const pool: OperatorTable = {};
