/** Operators and rules that come later than those of table.ts, and what happens where one has not come yet. */

import type { Model, NodeSpec } from '../model/model.ts';
import type { Operator, OperatorTable, Rule } from './operator.ts';

/** Operators of the families that are here, by name. */
export const registered: Record<string, Operator> = {};
/** Rules of operators that are here from the start, and seldom differentiated. */
export const rules: Record<string, Rule> = {};

/** What only some models need besides operators. */
export const parts: {
  /** The nodes of a model without calls of its own functions. */
  inlineFunctions?: (model: Model) => readonly NodeSpec[];
} = {};

/** Adds a family: operators, and rules of operators that are here without one. */
export function register(family: OperatorTable, missing: Readonly<Record<string, Rule>> = {}): void {
  Object.assign(registered, family);
  Object.assign(rules, missing);
}

/** Throws if an operator could be here: not where all are. */
let check: (op: string) => void = () => {};

/** Says what to do about operators that are not here. */
export function onMissing(handler: (op: string) => void): void {
  check = handler;
}

/** Throws `ERR_OPERATOR_UNLOADED`, with the operator's name as its cause, if it belongs to a family that is not here. */
export const checkLoaded = (op: string): void => check(op);

/** The rule of an operator that is here without one. */
export const onDemand: Rule = (backward) => {
  const { op } = backward.node;
  if (!rules[op]) checkLoaded(op);
  return (rules[op] as Rule)(backward);
};
