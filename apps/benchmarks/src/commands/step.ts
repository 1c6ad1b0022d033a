/** `vradam-bench step`: what an optimizer step costs. */

import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { commit, hardware } from '../run/environment.ts';
import { writeAll } from '../run/files.ts';
import {
  measureSpread,
  measureSteps,
  type SpreadResult,
  type StepResult,
  stepCases,
} from '../step/measure.ts';
import { wholeNumber } from './arguments.ts';

const size = (count: number): string => (count >= 1e6 ? `${count / 1e6}M` : `${count / 1e3}k`);

function spreadTable(spread: readonly SpreadResult[]): string {
  const head = ['1M elements', 'in 1 tensor, ms', 'in 1000 tensors, ms', 'ratio'];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const { name, oneMs, manyMs, ratio } of spread)
    table.push([name, oneMs.toFixed(2), manyMs.toFixed(2), ratio.toFixed(2)]);
  return table.toString();
}

async function step({ rounds, json }: { readonly rounds: number; readonly json?: string }): Promise<void> {
  const table = new Table({
    head: ['parameters', 'step', 'ms', 'ratio to the hand-written loop', 'GB/s'],
    style: { head: [], border: [], compact: true },
  });
  const results: StepResult[] = [];
  for (const at of stepCases) {
    for (const result of measureSteps(at, rounds)) {
      const { tensors, elements, name, ms, ratio, gigabytesPerSecond } = result;
      results.push(result);
      const figures = [ms.toFixed(2), ratio.toFixed(2), gigabytesPerSecond.toFixed(1)];
      table.push([`${tensors} x ${size(elements)}`, name, ...figures]);
    }
  }
  console.log(table.toString());
  console.log(`Medians of ${rounds} rounds; in every round each takes one step. Ratios are within a round.`);
  const spread = measureSpread(rounds);
  console.log(spreadTable(spread));
  console.log('A step of both in every round; ratios are within a round.');
  if (json) await writeFile(json, `${JSON.stringify(recordOf(rounds, results, spread), null, 2)}\n`);
}

/** Contents of a `step.json`. */
export interface StepRecord {
  /** Always `vradam-step/1`. */
  readonly schema: 'vradam-step/1';
  readonly rounds: number;
  readonly node: string;
  readonly hardware: Readonly<Record<string, unknown>>;
  readonly commit: string | null;
  readonly results: readonly StepResult[];
  /** Empty where it was not measured. */
  readonly spread: readonly SpreadResult[];
}

function recordOf(rounds: number, results: StepResult[], spread: SpreadResult[]): StepRecord {
  const where = { node: process.versions.node, hardware: hardware(), commit: commit() };
  return { schema: 'vradam-step/1', rounds, ...where, results, spread };
}

/** Measures steps over a million elements, in one tensor and in a thousand, and leaves `step.json`. */
export async function measureSmallSteps(rounds: number, out: string): Promise<void> {
  const results = stepCases
    .filter(({ tensors, elements }) => tensors * elements === 1e6)
    .flatMap((at) => measureSteps(at, rounds));
  await writeAll(out, { 'step.json': `${JSON.stringify(recordOf(rounds, results, []), null, 2)}\n` });
}

/** Adds the command. */
export function addStepCommand(program: Command): void {
  program
    .command('step')
    .description('measure the cost of an optimizer step against a hand-written loop')
    .option('--rounds <n>', 'measured rounds', wholeNumber(1), 30)
    .option('--json <file>', 'write the results as JSON too')
    .action(step);
}
