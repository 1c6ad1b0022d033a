/** The table of operators that are here: those that most models have from the start, the others once they are loaded. */

import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { indexing } from './indexing.ts';
import { layout } from './layout.ts';
import { losses } from './losses.ts';
import type { Operator, OperatorTable } from './operator.ts';
import { padding } from './padding.ts';
import { products } from './products.ts';
import { reduce } from './reduce.ts';
import { checkLoaded, registered } from './registry.ts';
import { selection } from './selection.ts';
import { shapes } from './shapes.ts';
import { slicing } from './slicing.ts';
import { softmax } from './softmax.ts';
import { unary } from './unary.ts';

/** Operators that are here from the start, by name. */
export const first: OperatorTable = {
  ...arithmetic,
  ...unary,
  ...activations,
  ...reduce,
  ...softmax,
  ...products,
  ...shapes,
  ...layout,
  ...indexing,
  ...selection,
  ...slicing,
  ...padding,
  ...losses,
};

/**
 * Looks an operator up: the user's own come first.
 *
 * @throws VRAdamError `ERR_OPERATOR_UNLOADED`, whose cause is the operator's name, if it is known but not here.
 */
export function findOperator(own: OperatorTable, domain: string, op: string): Operator | undefined {
  const name = domain === '' ? op : `${domain}.${op}`;
  if (Object.hasOwn(own, name)) return own[name];
  if (domain !== '') return undefined;
  if (Object.hasOwn(registered, op)) return registered[op];
  if (Object.hasOwn(first, op)) return first[op];
  checkLoaded(op);
  return undefined;
}
