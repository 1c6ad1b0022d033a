/** The graphs of a session besides that of its training step, each made when it is first needed. */

import { multiplyHessian, type Value, withOperators } from '@vradam/onnx-autodiff/lazy';
import { type Executable, openExecutable } from './executable.ts';
import { gradientsOf, type PlannedGraph, planGraph } from './graphs.ts';
import { gradientName, gradientOutputs, lossOutput, type UpdateContext } from './update/update.ts';

/** What a graph is for. */
export type Kind = 'eval' | 'run' | 'gradients' | 'hessian';

/** Input for the vector that a Hessian is multiplied with. */
export const vectorName = (name: string): string => `vradam.vector/${name}`;

/** Products of the Hessian of the loss with a vector that comes in. */
function hessianOutputs(
  { g, parameters, lossValue }: PlannedGraph,
  weights: Set<string>,
): Map<string, Value> {
  const names = [...parameters.keys()];
  const products = multiplyHessian(g, lossValue, [...parameters.values()], (i) => {
    const name = names[i] as string;
    weights.add(vectorName(name));
    return g.input(vectorName(name), 'float32', parameters.get(name)?.shape);
  });
  const outputs = new Map<string, Value>();
  products.forEach((product, i) => {
    if (product) outputs.set(gradientName(names[i] as string), product);
  });
  return outputs;
}

function outputsOf(kind: Kind, graph: PlannedGraph, weights: Set<string>): ReadonlyMap<string, Value> {
  if (kind === 'run') return graph.g.outputs;
  if (kind === 'eval') return new Map([...graph.g.outputs, [lossOutput, graph.lossValue]]);
  return kind === 'gradients' ? gradientOutputs(graph, gradientsOf(graph)) : hessianOutputs(graph, weights);
}

/**
 * Builds a graph and opens it.
 *
 * @param weights - names of the tensors that the session feeds.
 */
export async function openKind(
  kind: Kind,
  { plan, runtime }: UpdateContext,
  weights: Set<string>,
): Promise<Executable> {
  const mode = kind === 'eval' || kind === 'run' ? 'eval' : 'train';
  const planned = await withOperators(() => {
    const graph = planGraph(plan, mode, kind !== 'run');
    return { graph, outputs: outputsOf(kind, graph, weights) };
  });
  return openExecutable(runtime, { ...planned, weights });
}
