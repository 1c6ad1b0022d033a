/** The example of the documentation, run: a perceptron in WGSL learns. */

import { expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, as a reader would write it
import { train } from '../../../../docs/examples/webgpu-mlp/main.js';

interface Report {
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly effectiveLearningRate: number;
}

test('a perceptron in WGSL learns two half moons, and its loss falls', async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = (await adapter?.requestDevice()) as GPUDevice;
  const errors: string[] = [];
  device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  const reports: Report[] = [];
  await train(device, (report: Report) => reports.push(report));
  expect(errors).toEqual([]);
  expect(reports.map(({ step }) => step)).toEqual([50, 100, 150, 200, 250, 300]);
  const [first, last] = [reports[0], reports.at(-1)] as [Report, Report];
  expect(last.accuracy).toBeGreaterThan(0.98);
  expect(last.loss).toBeLessThan(first.loss / 2);
  for (const { effectiveLearningRate } of reports)
    expect(effectiveLearningRate).toBeLessThanOrEqual(0.05 + 1e-6);
  device.destroy();
});
