/** Holds inferred types against what onnxruntime gives. */

import { expect } from 'vitest';
import {
  buildModel,
  type DataType,
  evaluateDim,
  GraphBuilder,
  type Shape,
  sizeOf,
  type Value,
} from '../src/index.ts';
import { runModel, type Tensors } from './runtime.ts';

/** What is applied to what. */
export interface ShapeCheck {
  /** Shapes of float32 inputs. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Other inputs. */
  readonly fixed?: Tensors;
  /** The call; its outputs. */
  readonly build: (g: GraphBuilder, values: Readonly<Record<string, Value>>) => readonly Value[];
  /** Version of the operator set. Default 18. */
  readonly opset?: number;
}

/** Sizes by name, when every size of an input is a name of its own. */
const nameOf = (input: string, axis: number): string => `${input}_${axis}`;

function open(check: ShapeCheck, shapeOf: (name: string, shape: readonly number[]) => Shape) {
  const g = new GraphBuilder({ opset: check.opset ?? 18 });
  const values: Record<string, Value> = {};
  for (const [name, shape] of Object.entries(check.inputs))
    values[name] = g.input(name, 'float32', shapeOf(name, shape));
  for (const [name, { dtype, shape }] of Object.entries(check.fixed ?? {}))
    values[name] = g.input(name, dtype as DataType, shape);
  return { g, outputs: check.build(g, values) };
}

/** Expects types of outputs to be those of onnxruntime, and shapes also where all sizes have only names. */
export async function expectShapes(check: ShapeCheck): Promise<void> {
  const { g, outputs } = open(check, (_, shape) => shape);
  outputs.forEach((value, i) => {
    g.output(`output_${i}`, value);
  });
  const feeds: Tensors = Object.fromEntries(
    Object.entries(check.inputs).map(([name, shape]) => [
      name,
      { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)).fill(1) },
    ]),
  );
  const results = await runModel(buildModel(g), { ...feeds, ...check.fixed });
  const given = outputs.map((_, i) => results[`output_${i}`]);
  expect(outputs.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
    given.map((result) => ({ dtype: result?.dtype, shape: result?.shape })),
  );

  const sizes = Object.fromEntries(
    Object.entries(check.inputs).flatMap(([name, shape]) =>
      shape.map((size, axis) => [nameOf(name, axis), size]),
    ),
  );
  const named = open(check, (name, shape) => shape.map((_, axis) => nameOf(name, axis)));
  expect(named.outputs.map(({ shape }) => shape?.map((dim) => evaluateDim(dim, sizes)))).toEqual(
    given.map((result) => result?.shape),
  );
}
