/** What the suite costs beside training. */

import { expect, test } from 'vitest';
import { startEngine } from '../src/engines/index.ts';
import { measurePipeline } from '../src/overhead/pipeline.ts';
import { findTask } from '../src/tasks/index.ts';

test.each(['cifar10-cnn', 'diffusion'])(
  'making a batch of %s takes a small part of its step, where the engine has one thread',
  {
    timeout: 120_000,
  },
  async (name) => {
    const engine = await startEngine('onnxruntime-node', 1);
    const { steps, batchMs, modelMs, share, memoryMiB } = await measurePipeline(findTask(name), engine, 4);
    expect(steps).toBeGreaterThanOrEqual(16);
    expect([batchMs > 0, modelMs]).toEqual([true, 0]);
    // below 5 % on a quiet machine, as results/overhead.json has it; tests share their cores
    expect(share).toBeLessThan(0.5);
    expect(memoryMiB).toHaveLength(4);
  },
);

test('what a policy is asked for while a batch is made counts as the model’s time', {
  timeout: 120_000,
}, async () => {
  const engine = await startEngine('onnxruntime-node', 1);
  const { modelMs, batchMs } = await measurePipeline(findTask('gflownet'), engine, 2);
  expect(modelMs).toBeGreaterThan(batchMs);
});
