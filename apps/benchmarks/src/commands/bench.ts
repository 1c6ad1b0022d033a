/** `vradam-bench bench`: every task at its quick size, and a report of it all. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import colors from 'picocolors';
import { defaultEngine, engineNames } from '../engines/index.ts';
import { peakMemoryMiB } from '../run/environment.ts';
import { defaultCheckpointSteps } from '../run/run.ts';
import { diagnostics } from '../tasks/diagnostics/problems.ts';
import { edgeOptimizers } from '../tasks/edgeOfStability/trajectory.ts';
import { tasks } from '../tasks/index.ts';
import { portraitDefaults } from '../tasks/phasePortrait/portrait.ts';
import { defaultOptimizers, ownDefaults, usualSeeds } from '../tasks/task.ts';
import { nameOf, wholeNumber } from './arguments.ts';
import { runDiagnostics } from './diagnostics.ts';
import { phasePortrait } from './phasePortrait.ts';
import { interruption, runAll } from './races.ts';
import { sharpness } from './sharpness.ts';
import { measureSmallSteps } from './step.ts';

interface Flags {
  readonly engine: string;
  readonly seed: number;
  readonly seeds: number;
  readonly jobs: number;
  readonly data?: string;
  readonly out: string;
  readonly resume: boolean;
}

/** Races at the same time: two need less than a GB together, and most machines have the cores. */
const usualJobs = Math.min(2, availableParallelism());

/** Steps of the edge of stability: enough for Adam to come near it, in a minute. */
const edgeSteps = 60;

/** What is done after the races, each in a folder of its own. */
function studies({ engine, seed, data, out, resume }: Flags): [title: string, run: () => Promise<void>][] {
  const json = false;
  const small = diagnostics.map(({ name }) => name);
  const edge = { preset: 'quick', optimizer: edgeOptimizers, engine, seed, steps: edgeSteps } as const;
  return [
    [
      'diagnostics',
      () => runDiagnostics({ optimizer: defaultOptimizers, problem: small, seed, seeds: 1, out, json }),
    ],
    [
      'edge of stability',
      () =>
        sharpness({
          ...edge,
          ...(data !== undefined && { data }),
          out: join(out, 'sharpness'),
          resume,
          json,
        }),
    ],
    ['steps of the optimizers alone', () => measureSmallSteps(10, out)],
    ['phase portrait', () => phasePortrait({ ...portraitDefaults, out: join(out, 'phase-portrait'), json })],
  ];
}

/** Seconds since the process began. */
const elapsed = (): string => `${(performance.now() / 1000).toFixed(0)} s`;

async function bench(flags: Flags): Promise<void> {
  const { engine, seed, seeds, jobs, data, out, resume } = flags;
  const signal = interruption();
  const races = { preset: 'quick', engine, optimizer: defaultOptimizers, seed, seeds, jobs } as const;
  const files = { results: out, stableNames: true, resume, json: false, tensorboard: false } as const;
  const given = { ...(data !== undefined && { data }), checkpointSteps: defaultCheckpointSteps };
  const names = tasks.map(({ name }) => name);
  await runAll(names, { ...ownDefaults, ...races, ...files, ...given }, signal);
  for (const [title, run] of studies(flags)) {
    if (signal.aborted) return;
    console.log(`\n${colors.bold(title)} (${elapsed()} so far)`);
    await run();
  }
  if (signal.aborted) return;
  // what draws is slow to load
  const { writeReport } = await import('../report/write.ts');
  const { page, races: count } = await writeReport([out], out);
  console.log(`\n${colors.bold('Report')} of ${count} races: ${page}`);
  console.log(`${elapsed()}, peak memory ${peakMemoryMiB()} MiB`);
}

/** Adds the command. */
export function addBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('run every task at its quick size with the four optimizers of the paper, and write a report')
    .addOption(
      new Option('--engine <name>', 'engine')
        .choices(engineNames)
        .argParser(nameOf(engineNames))
        .default(defaultEngine),
    )
    .option('--seed <n>', 'first seed', wholeNumber(0), 0)
    .option('--seeds <n>', 'how many seeds of each race', wholeNumber(1), usualSeeds.quick)
    .option('--jobs <n>', 'races at the same time, each in a process of its own', wholeNumber(1), usualJobs)
    .addOption(
      new Option('--data <dir>', 'folder of real data; without it data are generated').env('VRADAM_DATA'),
    )
    .option('--out <dir>', 'folder of results and report', 'results/bench')
    .option('--resume', 'go on with what is in --out: what is completed is left as it is', false)
    .action(bench);
}
