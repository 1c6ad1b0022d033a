/** `vradam-bench diagnostics`: which optimizer solves which small problem. */

import { join } from 'node:path';
import Table from 'cli-table3';
import type { Command } from 'commander';
import colors from 'picocolors';
import { commit, hardware } from '../run/environment.ts';
import { writeAll } from '../run/files.ts';
import { type ContenderName, contenderNames } from '../tasks/diagnostics/optimizers.ts';
import { diagnostics } from '../tasks/diagnostics/problems.ts';
import { type Cell, learningRates, tryAll } from '../tasks/diagnostics/race.ts';
import { namesOf, wholeNumber } from './arguments.ts';

/** What a user decides about diagnostics. */
export interface DiagnosticsFlags {
  readonly optimizer: readonly ContenderName[];
  readonly problem: readonly string[];
  readonly seed: number;
  readonly seeds: number;
  readonly out: string;
  readonly json: boolean;
}

function tableOf(cells: readonly Cell[], optimizers: readonly ContenderName[]): string {
  const table = new Table({
    head: ['problem', ...optimizers],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', ...optimizers.map(() => 'right' as const)],
  });
  const of = (problem: string, optimizer: ContenderName): number =>
    cells.find((cell) => cell.problem === problem && cell.optimizer === optimizer)!.passedRates;
  const names = [...new Set(cells.map(({ problem }) => problem))];
  for (const name of names) {
    const passed = optimizers.map((optimizer) => of(name, optimizer));
    table.push([name, ...passed.map((count) => (count > 0 ? colors.green(count) : colors.red('-')))]);
  }
  const solved = optimizers.map((optimizer) => names.filter((name) => of(name, optimizer) > 0).length);
  table.push([`solved, of ${names.length}`, ...solved.map(String)]);
  return table.toString();
}

/** Numbers as short as a reader needs them. */
const short = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(6)) : value;

function recordOf(cells: readonly Cell[], seeds: readonly number[], seconds: number) {
  const names = new Set(cells.map(({ problem }) => problem));
  const problems = diagnostics.filter(({ name }) => names.has(name));
  return {
    schema: 'vradam-diagnostics/1',
    seeds,
    learningRates,
    node: process.versions.node,
    hardware: hardware(),
    commit: commit(),
    seconds,
    problems: problems.map(({ name, asks, steps, target, weightDecay = 0, random = false }) => {
      return { name, asks, steps, target, weightDecay, random };
    }),
    cells,
  };
}

/** Tries optimizers on problems, and leaves `diagnostics.json`. */
export async function runDiagnostics({
  optimizer,
  problem,
  seed,
  seeds: count,
  out,
  json,
}: DiagnosticsFlags): Promise<void> {
  const started = performance.now();
  const seeds = Array.from({ length: count }, (_, i) => seed + i);
  const chosen = diagnostics.filter(({ name }) => problem.includes(name));
  const cells = chosen.flatMap((each) => optimizer.map((name) => tryAll(each, name, seeds)));
  const seconds = (performance.now() - started) / 1000;
  const text = `${JSON.stringify(recordOf(cells, seeds, seconds), short, 1).replace(/\n {4,}/g, ' ')}\n`;
  await writeAll(out, { 'diagnostics.json': text });
  if (json) return void process.stdout.write(text);
  console.log(tableOf(cells, optimizer));
  console.log(`How many of ${learningRates.length} learning rates pass, from 1e-4 to 100; - for none.`);
  console.log(`${seconds.toFixed(0)} s. Written: ${join(out, 'diagnostics.json')}`);
}

/** Adds the command. */
export function addDiagnosticsCommand(program: Command): void {
  const names = diagnostics.map(({ name }) => name);
  const width = Math.max(...names.map(({ length }) => length)) + 2;
  const list = diagnostics.map(({ name, asks }) => `  ${name.padEnd(width)}${asks}`).join('\n');
  program
    .command('diagnostics')
    .description('try every optimizer on small problems that each ask for one thing')
    .option('--optimizer <names>', 'optimizers, separated by commas', namesOf(contenderNames), contenderNames)
    .option('--problem <names>', 'problems, separated by commas (default: all)', namesOf(names), names)
    .option('--seed <n>', 'first seed of starts and noise', wholeNumber(0), 0)
    .option('--seeds <n>', 'seeds, each of which has to pass where there is chance', wholeNumber(1), 3)
    .option('--out <dir>', 'folder for diagnostics.json', 'results')
    .option('--json', 'print the results as JSON in place of the table', false)
    .addHelpText('after', `\nProblems:\n${list}\n`)
    .action(runDiagnostics);
}
