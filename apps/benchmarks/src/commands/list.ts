/** `vradam-bench list`: what there is to run. */

import Table from 'cli-table3';
import type { Command } from 'commander';
import { defaultEngine, engineNames, engineTitle, missingPackages, whatIsMissing } from '../engines/index.ts';
import { published } from '../report/analysis/published.ts';
import { contenderNames } from '../tasks/diagnostics/optimizers.ts';
import { diagnostics } from '../tasks/diagnostics/problems.ts';
import { tasks } from '../tasks/index.ts';
import { defaultOptimizers, optimizerNames, presetNames } from '../tasks/task.ts';

interface Inventory {
  readonly tasks: readonly { name: string; title: string; reproduces: string | null }[];
  readonly optimizers: readonly { name: string; racesByDefault: boolean }[];
  readonly engines: readonly {
    name: string;
    title: string;
    isDefault: boolean;
    /** Packages. */
    missing: readonly string[];
    /** What else or what of these, in words; null if it starts. */
    lacks: string | null;
  }[];
  readonly presets: readonly string[];
}

function inventory(): Inventory {
  const figures = [
    {
      name: 'phase-portrait',
      title: 'VRMomentum and Momentum on x^2/2 (a command of its own)',
      reproduces: 'Figure 1',
    },
    {
      name: 'diagnostics',
      title: `${diagnostics.length} small problems, ${contenderNames.length} optimizers (a command of its own)`,
      reproduces: null,
    },
  ];
  const raced = tasks.map(({ name, title }) => {
    return { name, title, reproduces: published[name]?.table ?? null };
  });
  const isDefault = (name: string) => (defaultOptimizers as readonly string[]).includes(name);
  return {
    tasks: [...raced, ...figures],
    optimizers: optimizerNames.map((name) => ({ name, racesByDefault: isDefault(name) })),
    engines: engineNames.map((name) => {
      const isDefault = name === defaultEngine;
      const lacks = whatIsMissing(name);
      return { name, title: engineTitle(name), isDefault, missing: missingPackages(name), lacks };
    }),
    presets: presetNames,
  };
}

function tableOf(head: string[], rows: readonly string[][]): string {
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}

function list({ json }: { readonly json: boolean }): void {
  const { tasks, optimizers, engines, presets } = inventory();
  if (json) return void process.stdout.write(`${JSON.stringify(inventory(), null, 2)}\n`);
  const rows = tasks.map(({ name, title, reproduces }) => [name, title, reproduces ?? '-']);
  console.log(tableOf(['task', 'what it is', 'the paper’s'], rows));
  const racing = optimizers.map(({ name, racesByDefault }) => [
    name,
    racesByDefault ? 'yes' : 'if asked for',
  ]);
  console.log(tableOf(['optimizer', 'races'], racing));
  const running = engines.map(({ name, title, isDefault, lacks }) => [
    isDefault ? `${name} (default)` : name,
    title,
    lacks ?? 'installed',
  ]);
  console.log(tableOf(['engine', 'what it is', 'state'], running));
  console.log(`Presets: ${presets.join(', ')}. The paper’s sizes are in the last.`);
}

/** Adds the command. */
export function addListCommand(program: Command): void {
  program
    .command('list')
    .description('list tasks, optimizers, engines and presets')
    .option('--json', 'as JSON', false)
    .action(list);
}
