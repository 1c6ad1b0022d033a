/** `vradam-bench phase-portrait`: the paper's Figure 1. */

import { join } from 'node:path';
import type { Command } from 'commander';
import { commit } from '../run/environment.ts';
import { writeAll } from '../run/files.ts';
import { computePortrait, type PortraitOptions, portraitDefaults } from '../tasks/phasePortrait/portrait.ts';
import { fraction, notNegative, positive, wholeNumber } from './arguments.ts';

/** What a user decides about a portrait. */
export interface PortraitFlags extends PortraitOptions {
  readonly out: string;
  readonly json: boolean;
}

/** Draws the portrait, and leaves its numbers and pictures. */
export async function phasePortrait({ out, json, ...options }: PortraitFlags): Promise<void> {
  const portrait = computePortrait(options);
  const record = { ...portrait, node: process.versions.node, commit: commit() };
  const text = `${JSON.stringify(record, null, 1)}\n`;
  // what draws is slow to load, and no other command needs it
  const { drawPortrait } = await import('../tasks/phasePortrait/figure.ts');
  const { renderPng } = await import('../report/figures/png.ts');
  const { svg } = drawPortrait(portrait);
  await writeAll(out, {
    'phase-portrait.json': text,
    'phase-portrait.svg': svg,
    'phase-portrait.png': renderPng(svg),
  });
  if (json) process.stdout.write(text);
  else console.log(summary(portrait, out));
}

/** What a reader of the terminal learns. */
function summary({ vrMomentum, momentum, options }: ReturnType<typeof computePortrait>, out: string): string {
  const turns = (path: typeof momentum): number =>
    path.filter(({ x }, i) => i > 0 && Math.sign(x) !== Math.sign(path[i - 1]!.x)).length;
  const line = (name: string, path: typeof momentum): string =>
    `${name}: first step ${Math.abs(path[1]!.x - path[0]!.x).toFixed(3)}, crosses the minimum ${turns(path)} times, ` +
    `ends at x = ${path.at(-1)!.x.toPrecision(3)}`;
  return [
    `x^2/2 from x = ${options.start}, ${options.steps} steps`,
    line('VRMomentum', vrMomentum),
    line('Momentum', momentum),
    `Written: ${join(out, 'phase-portrait.{json,svg,png}')}`,
  ].join('\n');
}

/** Adds the command. */
export function addPhasePortraitCommand(program: Command): void {
  const { learningRate, beta1, beta3, lrCutoff, start, steps } = portraitDefaults;
  program
    .command('phase-portrait')
    .description('draw VRMomentum and Momentum on x^2/2 over the flow of the paper: its Figure 1')
    .option('--start <x>', 'where both begin', positive, start)
    .option('--steps <n>', 'steps of both', wholeNumber(1), steps)
    .option('--learning-rate <x>', 'learning rate of both', positive, learningRate)
    .option('--beta1 <x>', 'decay rate of both velocities', fraction, beta1)
    .option('--beta3 <x>', 'strength of the brake', notNegative, beta3)
    .option('--lr-cutoff <x>', 'the most that the brake may add', notNegative, lrCutoff)
    .option('--out <dir>', 'folder for phase-portrait.json, .svg and .png', 'results/phase-portrait')
    .option('--json', 'print the numbers as JSON in place of the summary', false)
    .addHelpText('after', '\nNothing in it is random, so there is no --seed.\n')
    .action(phasePortrait);
}
