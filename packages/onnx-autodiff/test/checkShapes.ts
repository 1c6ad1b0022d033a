/** Holds inferred types against what onnxruntime computes. */

import { expect } from 'vitest';
import { buildModel, type Dim, evaluateDim, GraphBuilder, type Value } from '../src/index.ts';
import { type HostTensor, runModel, type Tensors } from './runtime.ts';

/** A function whose results' shapes are compared. */
export interface ShapeCheck {
  /** Inputs. */
  readonly inputs: Tensors;
  /** Dimensions as the graph knows them, where these are less than the inputs' shapes. */
  readonly dims?: Readonly<Record<string, readonly Dim[] | undefined>>;
  /** The function. */
  readonly build: (g: GraphBuilder, values: Readonly<Record<string, Value>>) => Value | readonly Value[];
  /** Version of the operator set. Default 18. */
  readonly opset?: number;
}

/** Sizes that names have in a run. */
function sizesOf({ inputs, dims = {} }: ShapeCheck): Record<string, number> {
  const named = Object.entries(dims).flatMap(([input, shape]) =>
    (shape ?? []).map((dim, i) => [dim, inputs[input]?.shape[i]] as const),
  );
  return Object.fromEntries(named.filter(([dim]) => typeof dim === 'string')) as Record<string, number>;
}

/**
 * Checks that every inferred type is what onnxruntime gives; where a dimension is a name of its own, only that there
 * is one.
 *
 * @returns the inferred shapes.
 */
export async function checkShapes(check: ShapeCheck): Promise<(readonly Dim[] | undefined)[]> {
  const { inputs, dims = {}, build, opset = 18 } = check;
  const g = new GraphBuilder({ opset });
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape }]) => [
      name,
      g.input(name, dtype, Object.hasOwn(dims, name) ? dims[name] : shape),
    ]),
  );
  const built = build(g, values);
  const results = Array.isArray(built) ? (built as readonly Value[]) : [built as Value];
  for (const [i, value] of results.entries()) g.output(`result.${i}`, value);
  const outputs = await runModel(buildModel(g), inputs);
  const sizes = sizesOf(check);
  results.forEach(({ dtype, shape }, i) => {
    const actual = outputs[`result.${i}`] as HostTensor;
    expect(dtype).toBe(actual.dtype);
    if (!shape) return;
    const known = shape.map((dim, axis) => evaluateDim(dim, sizes) ?? actual.shape[axis]);
    expect(known, `inferred [${shape}]`).toEqual(actual.shape);
  });
  return results.map(({ shape }) => shape);
}

/** A float tensor of consecutive numbers. */
export function counted(...shape: number[]): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length: size }, (_, i) => i) };
}

/** An int64 tensor; a vector, unless a shape is given. */
export function int64(values: readonly number[], shape: readonly number[] = [values.length]): HostTensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) };
}
