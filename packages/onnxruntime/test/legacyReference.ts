/** The same training by today's parts: gradients from onnxruntime-node, steps by the core. */

import { createOptimizer, float32Ops, type OptimizerSpec } from '@vradam/core';
import { encodeModel, type GradientModel, gradients, type Loss, type Model } from '@vradam/onnx-autodiff';
import * as ort from 'onnxruntime-node';
import type { Feeds } from './legacySession.ts';

/** What is trained, and how. */
export interface Training {
  readonly model: Model;
  readonly loss: string | Loss;
  readonly optimizer: OptimizerSpec;
  readonly names: readonly string[];
}

/** What came of it. */
export interface Reference {
  readonly losses: readonly number[];
  /** Effective learning rate of each step. */
  readonly rates: readonly number[];
  readonly parameters: Readonly<Record<string, Float32Array>>;
}

/** Opens the gradient model with parameters as inputs. */
function open({ model }: GradientModel, names: readonly string[]): Promise<ort.InferenceSession> {
  const initializers = new Map([...model.initializers].filter(([name]) => !names.includes(name)));
  const parameters = names.map(
    (name) => ({ name, dtype: 'float32', shape: model.initializers.get(name)?.shape }) as const,
  );
  return ort.InferenceSession.create(
    encodeModel({ ...model, inputs: [...model.inputs, ...parameters], initializers }),
    {
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    },
  );
}

/** Trains for some steps, one batch after another. */
export async function trainReference(
  training: Training,
  batches: readonly Feeds[],
  steps: number,
): Promise<Reference> {
  const { model, loss, optimizer: spec, names } = training;
  const made = gradients(model, { loss, wrt: names });
  const session = await open(made, names);
  const shapes = new Map(names.map((name) => [name, model.initializers.get(name)?.shape ?? []]));
  let parameters: Record<string, Float32Array> = Object.fromEntries(
    names.map((name) => [name, Float32Array.from(model.initializers.get(name)?.data as Float32Array)]),
  );
  const optimizer = createOptimizer(float32Ops, spec);
  let state = optimizer.init(parameters);
  const losses: number[] = [];
  const rates: number[] = [];
  for (let step = 0; step < steps; step++) {
    const feeds = Object.entries(batches[step % batches.length] as Feeds).map(
      ([name, { data, shape }]) => [name, new ort.Tensor(data as Float32Array, shape)] as const,
    );
    const weights = names.map(
      (name) => [name, new ort.Tensor(parameters[name] as Float32Array, shapes.get(name))] as const,
    );
    const results = await session.run(Object.fromEntries([...feeds, ...weights]));
    losses.push(results[made.loss]?.data[0] as number);
    const found = [...made.gradients].map(([name, output]) => [name, results[output]?.data as Float32Array]);
    const stepped = optimizer.update(parameters, Object.fromEntries(found), state);
    rates.push(stepped.stats[0]?.effectiveLearningRate as number);
    ({ state } = stepped);
    parameters = { ...stepped.parameters };
  }
  await session.release();
  return { losses, rates, parameters };
}
