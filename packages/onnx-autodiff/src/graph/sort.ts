/** Puts the nodes of a file in an order in which they can run. */

import { fail } from '../errors.ts';
import type { NodeSpec } from '../model/model.ts';

/**
 * Sorts nodes so that each comes after what it needs, as close to the given order as possible.
 *
 * @param given - names that are there without a node.
 * @throws VRAdamError `ERR_MODEL_INVALID` if a value is made twice, missing, or needs itself.
 */
export function sortNodes(nodes: readonly NodeSpec[], given: { has(name: string): boolean }): NodeSpec[] {
  const makers = new Map<string, NodeSpec>();
  for (const node of nodes) {
    for (const name of node.outputs.filter((output) => output !== '')) {
      if (makers.has(name) || given.has(name))
        fail('ERR_MODEL_INVALID', `a value is made twice. Received: ${JSON.stringify(name)}.`);
      makers.set(name, node);
    }
  }
  const sorted: NodeSpec[] = [];
  const state = new Map<NodeSpec, 'open' | 'done'>();
  for (const root of nodes) {
    // an explicit stack: graphs of any depth must not exhaust the call stack
    const stack = [root];
    while (stack.length > 0) {
      const node = stack[stack.length - 1] as NodeSpec;
      if (state.get(node) === undefined) {
        state.set(node, 'open');
        const missing = pending(node, makers, given, state);
        stack.push(...missing.reverse());
      } else {
        stack.pop();
        if (state.get(node) === 'open') sorted.push(node);
        state.set(node, 'done');
      }
    }
  }
  return sorted;
}

/** Nodes that must come first and have not yet. */
function pending(
  node: NodeSpec,
  makers: ReadonlyMap<string, NodeSpec>,
  given: { has(name: string): boolean },
  state: ReadonlyMap<NodeSpec, 'open' | 'done'>,
): NodeSpec[] {
  const needed = new Set<NodeSpec>();
  for (const name of node.inputs) {
    if (name === '' || given.has(name)) continue;
    const maker = makers.get(name);
    if (!maker)
      fail(
        'ERR_MODEL_INVALID',
        `${node.op} ${JSON.stringify(node.name)} needs a value that nothing makes. Received: ${JSON.stringify(name)}.`,
      );
    if (state.get(maker) === 'open')
      fail(
        'ERR_MODEL_INVALID',
        `the graph must have no cycle. Received: one through ${JSON.stringify(name)}.`,
      );
    if (state.get(maker) === undefined) needed.add(maker);
  }
  return [...needed];
}
