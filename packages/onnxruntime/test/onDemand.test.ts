/** What is loaded, and when. Nothing here may import the entry of onnx-autodiff that has all operators. */

import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import {
  createTrainingSession,
  crossEntropy,
  GraphBuilder,
  loadOperators,
  type Model,
  tensor,
  vradam,
} from '../src/index.ts';
import { images, layers, learn } from './onDemandModels.ts';

const open = (model: Model | GraphBuilder) =>
  createTrainingSession(ort, { model, loss: crossEntropy(), optimizer: vradam({ learningRate: 0.05 }) });

/** Those of some operators that are not here. */
function unloaded(...names: readonly string[]): string[] {
  return names.filter((name) => {
    try {
      new GraphBuilder().op(name, []);
    } catch (error) {
      return (error as { code: string }).code === 'ERR_OPERATOR_UNLOADED';
    }
    return false;
  });
}

const rare = ['Einsum', 'Mish', 'Resize', 'GroupNormalization', 'TopK', 'CumSum', 'DepthToSpace', 'Dropout'];

test('a word whose operator is not here says how to load it', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 1, 6, 6]);
  const filters = g.parameter('filters', tensor('float32', [3, 1, 6, 6], new Array(108).fill(0.1)));
  expect(() => g.conv(x, filters)).toThrowError("await loadOperators('Conv')");
  await loadOperators('Conv');
  g.output('logits', g.reshape(g.conv(x, filters), [0, -1]));
  const session = await open(g);
  expect((await learn(session, [1, 6, 6])).at(-1)).toBeLessThan(1.1);
  await session.dispose();
});

test('a network for images trains, and loads no rare operator', async () => {
  expect(unloaded(...rare)).toEqual(rare);
  const session = await open(images());
  const losses = await learn(session, [1, 6, 6]);
  expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  expect(unloaded('Conv', 'MaxPool')).toEqual([]);
  expect(unloaded(...rare)).toEqual(rare);
  await session.dispose();
});

test('rare operators are loaded by the model that has them, and train', async () => {
  const session = await open(layers('Einsum'));
  const losses = await learn(session, [36]);
  expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  expect(unloaded(...rare)).toEqual(rare.filter((name) => !/Einsum|Mish/.test(name)));
  const twin = await open(layers('MatMul'));
  const expected = await learn(twin, [36]);
  losses.forEach((loss, i) => void expect(loss).toBeCloseTo(expected[i] as number, 5));
  await session.dispose();
  await twin.dispose();
});
