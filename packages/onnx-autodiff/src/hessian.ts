/** Exact products of a Hessian with vectors. */

import { backward } from './backward.ts';
import { fail } from './errors.ts';
import { type GradientOptions, lossOf, trainableNames, valuesFor } from './gradients.ts';
import type { GraphBuilder } from './graph/builder.ts';
import { buildModel, loadGraph } from './graph/load.ts';
import type { Value } from './graph/value.ts';
import type { Model } from './model/model.ts';

/** A model that multiplies a Hessian with a vector. */
export interface HessianModel {
  /** The model. */
  readonly model: Model;
  /** Name of the output that is the loss. */
  readonly loss: string;
  /** Name of the input for the vector's part that belongs to each of `wrt`, shaped like it. */
  readonly vectors: ReadonlyMap<string, string>;
  /** Name of the output with the product's part for each of `wrt`; missing ones are zero. */
  readonly products: ReadonlyMap<string, string>;
}

/**
 * Adds the product of the Hessian of `y` with a vector to the graph: the gradient of `sum g v`, in which v is constant.
 * It costs about two gradients, and the Hessian is never formed.
 *
 * @param y - one element.
 * @param wrt - values that are differentiated by.
 * @param vectorOf - the vector's part for the i-th of them, shaped like it; asked for only where `y` depends on that.
 * @returns the product's part for each of `wrt`; undefined is zero.
 * @throws VRAdamError `ERR_OPERATOR_UNSUPPORTED`; `ERR_SHAPE_MISMATCH` if `y` depends on none of `wrt`.
 * @see Pearlmutter, "Fast exact multiplication by the Hessian", 1994
 */
export function multiplyHessian(
  g: GraphBuilder,
  y: Value,
  wrt: readonly Value[],
  vectorOf: (i: number) => Value,
): readonly (Value | undefined)[] {
  const terms = backward(g, y, wrt).flatMap((gradient, i) =>
    gradient ? [g.reduceSum(g.mul(gradient, vectorOf(i)))] : [],
  );
  if (terms.length === 0) {
    const names = wrt.map(({ name }) => name).join(', ');
    fail(
      'ERR_SHAPE_MISMATCH',
      `the loss must depend on one of the parameters. Received: ${names || 'none'}.`,
    );
  }
  return backward(g, g.sum(terms), wrt);
}

/**
 * Builds the model that computes `H v`, H being the matrix of second derivatives of the loss.
 *
 * @param options - as for {@link gradients}.
 * @returns inputs `NAME.vector` beside those of the model, outputs `loss` and `NAME.product`.
 * @throws VRAdamError as {@link gradients} does, and `ERR_SHAPE_MISMATCH` if the loss depends on none of `wrt`.
 */
export function hessianVectorProduct(
  model: Model,
  { wrt = trainableNames(model), loss, keepOutputs: _, ...load }: GradientOptions,
): HessianModel {
  const wanted = new Set(wrt);
  const loaded = loadGraph(model, { ...load, isParameter: (name) => wanted.has(name) });
  const { g } = loaded;
  const y = lossOf(loaded, loss);
  const parameters = valuesFor(loaded, wrt);
  const vectors = new Map<string, string>();
  const computed = multiplyHessian(g, y, parameters, (i) => {
    const name = wrt[i] as string;
    const { dtype = 'float32', shape } = parameters[i] as Value;
    const vector = g.input(`${name}.vector`, dtype, shape);
    vectors.set(name, vector.name);
    return vector;
  });
  const outputs = new Map<string, Value>();
  const put = (name: string, value: Value): string => {
    const unique = g.uniqueName(name);
    outputs.set(unique, value);
    return unique;
  };
  const lossName = put('loss', y);
  const products = new Map<string, string>();
  computed.forEach((product, i) => {
    const name = wrt[i] as string;
    if (product) products.set(name, put(`${name}.product`, product));
  });
  return { model: buildModel(g, { outputs, like: model }), loss: lossName, vectors, products };
}
