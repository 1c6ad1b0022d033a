/** What an optimizer step costs on TensorFlow.js: all cases, as tables. */

import { writeFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { registerGradientKernels, VRAdam } from '@vradam/tfjs';
import Table from 'cli-table3';
import { commit, hardware } from '../run/environment.ts';
import { tfjsCases } from './cases.ts';
import { convolutionCases, measureConvolution } from './convolution.ts';
import { countKernels, measureTfjsSteps } from './measure.ts';

const size = (count: number): string => (count >= 1e6 ? `${count / 1e6}M` : `${count / 1e3}k`);

function print(head: string[], rows: (string | number)[][]): void {
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  console.log(table.toString());
}

async function steps(rounds: number) {
  const results = [];
  for (const at of tfjsCases) results.push(...(await measureTfjsSteps(at, rounds)));
  print(
    ['backend', 'variables', 'optimizer', 'CPU ms', 'ratio to tf.train.adam', 'limit for VRAdam'],
    results.map(({ backend, tensors, elements, name, cpuMs, ratio, limit }) => {
      const layout = `${tensors} x ${size(elements)}`;
      return [backend, layout, name, cpuMs.toFixed(2), ratio.toFixed(3), name === 'VRAdam' ? limit : ''];
    }),
  );
  console.log(`Medians of ${rounds} rounds on wasm, a fifth on cpu. Ratios are within a round.`);
  return results;
}

async function kernels() {
  // as on a GPU, where the portable path counts: gradients are judged only where reading them costs nothing
  const portable = { fused: false, nonFinite: 'propagate' } as const;
  const counts = await countKernels([
    ['tf.train.adam', () => tf.train.adam(1e-3)],
    ['VRAdam, portable, no weight decay', () => new VRAdam({ ...portable, weightDecay: 0 })],
    ['VRAdam, portable', () => new VRAdam(portable)],
  ]);
  print(
    ['optimizer', 'kernels per variable', 'besides'],
    counts.map(({ name, perVariable, besides }) => [name, perVariable, besides]),
  );
  return counts;
}

async function convolutions(rounds: number) {
  registerGradientKernels();
  await tf.setBackend('wasm');
  const results = convolutionCases.map((at) => measureConvolution(at, rounds));
  print(
    ['3 x 3 convolution on wasm', 'forward ms', 'filter gradient', 'input gradient'],
    results.map(({ batch, size, inChannels, outChannels, ...result }) => [
      `${batch} x ${size} x ${size}, ${inChannels} -> ${outChannels}`,
      result.forwardMs.toFixed(1),
      `${result.filterRatio.toFixed(2)} x forward`,
      `${result.inputRatio.toFixed(2)} x forward`,
    ]),
  );
  return results;
}

/** Options of {@link benchTfjs}. */
export interface BenchTfjsOptions {
  /** Measured rounds. */
  readonly rounds: number;
  /** File that the results are written to; undefined for none. */
  readonly json?: string;
}

/** Measures and prints everything. */
export async function benchTfjs({ rounds, json }: BenchTfjsOptions): Promise<void> {
  const record = {
    schema: 'vradam-tfjs-step/1',
    rounds,
    node: process.versions.node,
    tfjs: tf.version.tfjs,
    hardware: hardware(),
    commit: commit(),
    steps: await steps(rounds),
    kernels: await kernels(),
    convolutions: await convolutions(rounds),
  };
  if (json) await writeFile(json, `${JSON.stringify(record, null, 2)}\n`);
}
