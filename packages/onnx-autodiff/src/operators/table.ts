/** The table of all operators that this package knows. */

import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { conv } from './conv.ts';
import { convTranspose } from './convTranspose.ts';
import { depthToSpace } from './depthToSpace.ts';
import { dropout } from './dropout.ts';
import { einsum } from './einsum.ts';
import { indexing } from './indexing.ts';
import { layout } from './layout.ts';
import { losses } from './losses.ts';
import { normalization } from './normalization.ts';
import type { Operator, OperatorTable } from './operator.ts';
import { padding } from './padding.ts';
import { pool } from './pool.ts';
import { products } from './products.ts';
import { reduce } from './reduce.ts';
import { resize } from './resize.ts';
import { scattering } from './scattering.ts';
import { selection } from './selection.ts';
import { shapes } from './shapes.ts';
import { slicing } from './slicing.ts';
import { softmax } from './softmax.ts';
import { unary } from './unary.ts';

/** ONNX's operators by name. */
export const operators: OperatorTable = {
  ...arithmetic,
  ...unary,
  ...activations,
  ...reduce,
  ...softmax,
  ...normalization,
  ...conv,
  ...convTranspose,
  ...pool,
  ...resize,
  ...depthToSpace,
  ...products,
  ...einsum,
  ...shapes,
  ...layout,
  ...indexing,
  ...scattering,
  ...selection,
  ...slicing,
  ...padding,
  ...dropout,
  ...losses,
};

/** Looks an operator up: the user's own come first. */
export function findOperator(own: OperatorTable, domain: string, op: string): Operator | undefined {
  const name = domain === '' ? op : `${domain}.${op}`;
  if (Object.hasOwn(own, name)) return own[name];
  return domain === '' && Object.hasOwn(operators, op) ? operators[op] : undefined;
}
