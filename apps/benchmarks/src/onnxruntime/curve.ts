/** How long it takes to build a gradient graph, by the size of the model. */

import { backward, buildModel, encodeModel, GraphBuilder, tensor, type Value } from '@vradam/onnx-autodiff';
import { median } from '../report/summary.ts';

/** A point of the curve. */
export interface CurvePoint {
  /** Nodes of the model. */
  readonly nodes: number;
  /** Nodes of the model with its gradient. */
  readonly gradientNodes: number;
  /** Milliseconds to differentiate and write it, median of some runs. */
  readonly ms: number;
}

/** A deep network of about `nodes` nodes: products, sums, normalization, activations, and residual branches. */
function deepModel(nodes: number): { g: GraphBuilder; loss: Value; parameters: Value[] } {
  const g = new GraphBuilder();
  const width = 16;
  const parameters: Value[] = [];
  const parameter = (shape: number[]): Value => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: size }, (_, i) => Math.sin(i + parameters.length));
    const made = g.parameter(`p${parameters.length}`, tensor('float32', shape, values));
    parameters.push(made);
    return made;
  };
  let x = g.input('x', 'float32', ['batch', width]);
  while (g.nodes.length < nodes - 4) {
    const y = g.gemm(x, parameter([width, width]), parameter([width]));
    const z = g.mul(g.sigmoid(y), y);
    const normal = g.op('LayerNormalization', [g.add(x, z), parameter([width]), parameter([width])], {
      axis: -1,
    });
    x = g.tanh(normal);
  }
  return { g, loss: g.reduceMean(g.mul(x, x)), parameters };
}

function time(nodes: number): CurvePoint {
  const { g, loss, parameters } = deepModel(nodes);
  const before = g.nodes.length;
  const begin = performance.now();
  const gradients = backward(g, loss, parameters);
  const outputs = new Map(gradients.flatMap((value, i) => (value ? [[`gradient${i}`, value] as const] : [])));
  const model = buildModel(g, { outputs });
  encodeModel(model);
  return { nodes: before, gradientNodes: model.nodes.length, ms: performance.now() - begin };
}

/** Measures the curve. */
export function buildCurve(sizes: readonly number[], runs = 5): CurvePoint[] {
  return sizes.map((size) => {
    const points = Array.from({ length: runs }, () => time(size));
    return { ...(points[0] as CurvePoint), ms: median(points.map(({ ms }) => ms)) };
  });
}
