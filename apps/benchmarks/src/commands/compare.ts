/** `vradam-bench compare`: two result folders, seed by seed. */

import Table from 'cli-table3';
import type { Command } from 'commander';
import { collect } from '../report/analysis/collect.ts';
import { type Comparison, compareRuns } from '../report/analysis/compare.ts';
import { differenceText } from '../report/format.ts';
import { encode } from '../run/records.ts';

function tableOf(comparisons: readonly Comparison[]): string {
  const table = new Table({
    head: ['task', 'optimizer', 'seeds', 'val loss, B − A', 'test loss, B − A', 'A lower', 'B lower'],
    style: { head: [], border: [], compact: true },
  });
  for (const { task, preset, optimizer, validationLoss, testLoss } of comparisons) {
    const { seeds, lower, higher } = testLoss;
    const differences = [differenceText(validationLoss), differenceText(testLoss)];
    table.push([`${task}, ${preset}`, optimizer, seeds.length, ...differences, lower, higher]);
  }
  return table.toString();
}

/** What is not the same, each line once with the optimizers it holds for. */
function unlikeLines(comparisons: readonly Comparison[]): string[] {
  const lines = new Map<string, string[]>();
  for (const { task, optimizer, unlike } of comparisons) {
    for (const line of unlike) lines.set(line, [...(lines.get(line) ?? []), `${task} ${optimizer}`]);
  }
  return [...lines].map(([line, where]) =>
    where.length === comparisons.length ? line : `${line} (${where.join(', ')})`,
  );
}

async function compare(a: string, b: string, { json }: { readonly json: boolean }): Promise<void> {
  const [first, second] = await Promise.all([collect([a]), collect([b])]);
  const comparisons = compareRuns(first.runs, second.runs);
  if (json) return void process.stdout.write(`${JSON.stringify(comparisons, encode, 2)}\n`);
  console.log(`A: ${a}\nB: ${b}\n${tableOf(comparisons)}`);
  console.log(
    'Means of differences by seed, with 95 % bootstrap intervals where there are two seeds or more.',
  );
  const lines = unlikeLines(comparisons);
  console.log(
    lines.length > 0 ? `Not the same in both:\n  ${lines.join('\n  ')}` : 'All settings are the same.',
  );
}

/** Adds the command. */
export function addCompareCommand(program: Command): void {
  program
    .command('compare')
    .description('compare the losses of two result folders, seed by seed')
    .argument('<a>', 'folder of runs: the reference')
    .argument('<b>', 'folder of runs that is compared with it')
    .option('--json', 'as JSON', false)
    .action(compare);
}
