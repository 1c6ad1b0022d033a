/** `vradam-bench samplers`: how far the samplers of a sweep stay from minima that are known. */

import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { fileSystemError } from '../errors.ts';
import { commit, hardware } from '../run/environment.ts';
import { testFunctions } from '../sweep/functions.ts';
import { measureChoice, measureRegret, type Regret } from '../sweep/regret.ts';
import { type SamplerName, samplerNames } from '../sweep/sampler.ts';
import { namesOf, wholeNumber } from './arguments.ts';

interface Flags {
  readonly sampler: readonly SamplerName[];
  readonly seeds: number;
  readonly trials: number;
  readonly json?: string;
}

/** Trials after which the time of a choice is measured. */
const longStudy = 200;

/** A regret, and as a share of random search's. */
function cell({ regret }: Regret, random: Regret | undefined): string {
  const share = random ? ` (${(regret / random.regret).toFixed(3)})` : '';
  return `${regret.toPrecision(3)}${share}`;
}

async function samplers({ sampler: names, seeds, trials, json }: Flags): Promise<void> {
  const table = new Table({
    head: ['function', ...names, 'slowest choice'],
    style: { head: [], border: [] },
  });
  const results: Regret[] = [];
  for (const at of testFunctions) {
    const own = names.map((name) => {
      process.stderr.write(`${at.name}: ${name}\n`);
      return measureRegret(at, name, seeds, trials);
    });
    results.push(...own);
    const random = own.find(({ sampler }) => sampler === 'random');
    const slowest = Math.max(...own.map(({ slowestMs }) => slowestMs));
    table.push([at.name, ...own.map((each) => cell(each, random)), `${slowest.toFixed(0)} ms`]);
  }
  console.log(
    `Median regret over ${seeds} seeds after ${trials} trials; in brackets its share of random search's.`,
  );
  console.log(table.toString());
  const choiceMs = measureChoice(longStudy);
  console.log(
    `A choice of gp after ${longStudy} trials in four dimensions: ${choiceMs.toFixed(0)} ms, median of 7.`,
  );
  if (json === undefined) return;
  const record = {
    seeds,
    trials,
    hardware: hardware(),
    node: process.versions.node,
    commit: commit(),
    choiceMs,
    results,
  };
  await writeFile(json, `${JSON.stringify(record, null, 1)}\n`).catch((cause) => {
    throw fileSystemError(json, cause);
  });
}

/** Adds the command. */
export function addSamplersCommand(program: Command): void {
  program
    .command('samplers')
    .description('measure the samplers of a sweep on functions with known minima')
    .option('--sampler <names>', 'samplers, separated by commas', namesOf(samplerNames), [
      'random',
      'gp',
      'tpe',
      'sobol',
    ])
    .option('--seeds <n>', 'how often each is tried', wholeNumber(1), 20)
    .option('--trials <n>', 'trials of each try', wholeNumber(1), 40)
    .option('--json <file>', 'writes the results there, too')
    .action(samplers);
}
