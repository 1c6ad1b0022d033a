/** Reverse-mode differentiation over a linked graph. */

import { fail } from './errors.ts';
import type { GraphBuilder } from './graph/builder.ts';
import type { Node, Value } from './graph/value.ts';
import { isFloat } from './model/tensors.ts';
import { findOperator } from './operators/table.ts';

/** Values that depend on `roots`, these included. */
function dependents(g: GraphBuilder, roots: readonly Value[], until: number): Set<Value> {
  const reached = new Set(roots);
  for (const node of g.nodes) {
    if (node.id > until) break;
    if (findOperator(g.operators, node.domain, node.op)?.gradient === 'zero') continue;
    if (!node.inputs.some((value) => value && reached.has(value))) continue;
    for (const output of node.outputs) if (isFloat(output.dtype ?? 'float32')) reached.add(output);
  }
  return reached;
}

/** How a loss depends on a node, for the message of an error: from the loss down. */
function pathTo(node: Node, via: ReadonlyMap<Value, Node>): string {
  const path = [describe(node)];
  let at = via.get(node.outputs.find((output) => via.has(output)) as Value);
  while (at) {
    path.unshift(describe(at));
    at = via.get(at.outputs.find((output) => via.has(output)) as Value);
  }
  const shown = path.length > 12 ? [...path.slice(0, 5), '...', ...path.slice(-6)] : path;
  return ['loss', ...shown].join(' <- ');
}

const describe = ({ op, domain, name }: Node): string => `${domain === '' ? op : `${domain}.${op}`}(${name})`;

/** The gradients that a rule gives for one node. */
function applyRule(
  g: GraphBuilder,
  node: Node,
  gradients: readonly (Value | undefined)[],
  reached: ReadonlySet<Value>,
  via: ReadonlyMap<Value, Node>,
): readonly (Value | undefined)[] {
  const rule = findOperator(g.operators, node.domain, node.op)?.gradient;
  if (rule === 'zero') return [];
  if (!rule) {
    fail(
      'ERR_OPERATOR_UNSUPPORTED',
      `the operator ${describe(node)} must have a gradient rule. Received: a loss that depends on it: ${pathTo(node, via)}. ` +
        'Give a rule of your own in the option `operators`.',
    );
  }
  const needs = (i: number): boolean => node.inputs[i] !== undefined && reached.has(node.inputs[i]);
  const [dy] = gradients;
  return rule({
    g,
    node,
    inputs: node.inputs as readonly Value[],
    outputs: node.outputs,
    gradients,
    dy: dy as Value,
    needs,
  });
}

/**
 * Adds the gradient of `y` by each of `wrt` to the graph.
 *
 * @param y - what is differentiated; one element, or any shape if `seed` is given.
 * @param wrt - values that are differentiated by.
 * @param seed - gradient of the loss by `y`, shaped like it; default 1.
 * @returns a gradient for each of `wrt`, shaped like it; undefined where `y` does not depend on it.
 * @throws VRAdamError `ERR_OPERATOR_UNSUPPORTED`, naming the operator and the path to it from the loss.
 */
export function backward(
  g: GraphBuilder,
  y: Value,
  wrt: readonly Value[],
  seed?: Value,
): readonly (Value | undefined)[] {
  const last = g.nodes.length - 1;
  const reached = dependents(g, wrt, last);
  const parts = new Map<Value, Value[]>();
  const via = new Map<Value, Node>();
  if (reached.has(y)) parts.set(y, [seed ?? g.expandLike(g.scalar(1, y.dtype), y)]);

  const total = (value: Value | undefined): Value | undefined => {
    const terms = value && parts.get(value);
    if (!terms) return undefined;
    const sum = terms.length === 1 ? (terms[0] as Value) : g.sum(terms);
    parts.set(value, [sum]);
    return sum;
  };

  for (let id = last; id >= 0; id--) {
    const node = g.nodes[id] as Node;
    const gradients = node.outputs.map(total);
    if (gradients.every((gradient) => gradient === undefined)) continue;
    applyRule(g, node, gradients, reached, via).forEach((gradient, i) => {
      const value = node.inputs[i];
      if (!gradient || !value || !reached.has(value)) return;
      via.set(value, via.get(value) ?? node);
      const terms = parts.get(value);
      if (terms) terms.push(gradient);
      else parts.set(value, [gradient]);
    });
  }
  return wrt.map(total);
}
