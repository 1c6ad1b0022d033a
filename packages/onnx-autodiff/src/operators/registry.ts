/** Operators that come later than those of table.ts, and what happens where one has not come yet. */

import type { Operator, OperatorTable, Rule } from './operator.ts';

/** Operators of the families that are here, by name. */
export const registered: Record<string, Operator> = {};

/** Adds a family. */
export function register(family: OperatorTable): void {
  Object.assign(registered, family);
}

/** Throws if an operator could be here: not where all are. */
let check: (op: string) => void = () => {};

/** Says what to do about operators that are not here. */
export function onMissing(handler: (op: string) => void): void {
  check = handler;
}

/** Throws `ERR_OPERATOR_UNLOADED`, with the operator's name as its cause, if it belongs to a family that is not here. */
export const checkLoaded = (op: string): void => check(op);

/** The rule of an operator that is often there, but seldom differentiated. Its family brings another. */
export const onDemand: Rule = ({ node: { op } }) => {
  checkLoaded(op);
  return [];
};
