import type { OperatorTable } from './operator.ts';

/** The family. */
export const resize: OperatorTable = {};
