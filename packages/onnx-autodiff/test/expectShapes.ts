/** Stricter than `checkShapes`: every size must be inferred, also where all sizes of the inputs have only names. */

import { expect } from 'vitest';
import { evaluateDim, type GraphBuilder, sizeOf, type Value } from '../src/index.ts';
import { checkShapes } from './checkShapes.ts';
import type { Tensors } from './runtime.ts';

/** What is applied to what. */
export interface StrictShapeCheck {
  /** Shapes of float32 inputs. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Other inputs. */
  readonly fixed?: Tensors;
  /** The call; its outputs. */
  readonly build: (g: GraphBuilder, values: Readonly<Record<string, Value>>) => readonly Value[];
  /** Version of the operator set. Default 18. */
  readonly opset?: number;
}

/** A name for every size of an input. */
const namesOf = (input: string, shape: readonly number[]): string[] =>
  shape.map((_, axis) => `${input}_${axis}`);

/** Expects types of outputs to be those of onnxruntime, and shapes also where all sizes have only names. */
export async function expectShapes({
  inputs,
  fixed = {},
  build,
  opset = 18,
}: StrictShapeCheck): Promise<void> {
  const floats = Object.entries(inputs).map(([name, shape]) => {
    return [name, { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)).fill(1) }] as const;
  });
  const check = { inputs: { ...Object.fromEntries(floats), ...fixed }, build, opset };
  const shapes = await checkShapes(check);
  for (const shape of shapes)
    expect(
      shape?.every((dim) => typeof dim === 'number'),
      `[${shape}]`,
    ).toBe(true);

  const dims = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, namesOf(name, shape)]),
  );
  const sizes = Object.fromEntries(
    Object.entries(inputs).flatMap(([name, shape]) =>
      namesOf(name, shape).map((dim, axis) => [dim, shape[axis]]),
    ),
  ) as Record<string, number>;
  const named = await checkShapes({ ...check, dims });
  expect(named.map((shape) => shape?.map((dim) => evaluateDim(dim, sizes)))).toEqual(shapes);
}
