/** Sentences of the report of a sweep. */

import type { StudyConfig } from '../../sweep/study.ts';
import { tasks } from '../../tasks/index.ts';
import { lookOf } from '../figures/palette.ts';
import { verdictOf } from '../words.ts';
import { objectivesOf, type SweepRecord } from './record.ts';

/** What people call the sweep. */
export const sweepTitle = ({ task }: Pick<StudyConfig, 'task'>): string =>
  `Sweep: ${tasks.find(({ name }) => name === task)?.title ?? task}`;

/** What is to be small. */
export const lossName = ({ objective }: Pick<StudyConfig, 'objective'>): string =>
  objective === 'last' ? 'last validation loss' : 'smallest validation loss';

const seedsText = ({ seed, seeds }: StudyConfig): string =>
  seeds === 1 ? `one seed, ${seed}` : `seeds ${seed} to ${seed + seeds - 1}, whose losses are averaged`;

/** What was searched, how and where. */
export function sweepCaption({ config, run }: SweepRecord): string[] {
  const { task, preset, trials, sampler, spaces, schedule, engine, optimizers } = config;
  const size = run
    ? `${run.network.parameters.toLocaleString('en')} parameters, ${run.config.epochs} epochs, `
    : '';
  const machine = run
    ? [
        `Engine ${engine}, Node ${run.versions['node']}, ${run.hardware['cpu']}, ${run.hardware['cores']} cores.`,
        `Data: ${run.dataLine.replace(/\.$/, '')}.`,
      ]
    : [`Engine ${engine}.`];
  return [
    `${task}, preset ${preset}: ${size}schedule ${schedule}, ${seedsText(config)}. ${trials} trials of each of ` +
      `${optimizers.length} optimizers, from the ${spaces} ranges, chosen by the sampler ${sampler}.`,
    ...machine,
  ];
}

/** What is not as it should be: trials that are missing. */
export function sweepNotes({ config, optimizers }: SweepRecord): string[] {
  const missing = optimizers.filter(({ trials }) => trials.length < config.trials);
  const unfinished = missing.map(
    ({ look, trials }) =>
      `${look.name} has had ${trials.length} of ${config.trials} trials: the study is not finished.`,
  );
  if (!config.pruner) return unfinished;
  const { name, warmupEpochs, warmupTrials } = config.pruner;
  return [
    ...unfinished,
    `Trials were ended early by the pruner ${name}, after ${warmupEpochs} ${warmupEpochs === 1 ? 'epoch' : 'epochs'} at the soonest and once ` +
      `${warmupTrials} others had come as far. Optimizers have as many trials, not as many epochs: both are in the table.`,
  ];
}

/** What the final comparison is. */
export const finalText =
  'The best trial of each optimizer, run again with seeds that had no part in choosing it: mean ± standard deviation, 95 % ' +
  'bootstrap interval of the mean, and the difference to VRAdam, seed by seed, with its interval.';

/** What the fresh seeds say of VRAdam against each rival, in plain words. */
export function finalVerdicts({ finals }: Pick<SweepRecord, 'finals'>): string[] {
  return finals.flatMap(({ optimizer, validationLoss, testLoss }) =>
    [
      ['Validation loss', validationLoss.againstVradam] as const,
      ['Test loss', testLoss.againstVradam] as const,
    ].flatMap(([loss, pair]) =>
      pair && pair.seeds.length > 0 ? [verdictOf(lookOf(optimizer).name, pair, loss)] : [],
    ),
  );
}

/** How to read the best so far. */
export function bandText({ config }: SweepRecord): string {
  return config.seeds > 1
    ? 'Bands: from the least to the most of the seeds of the trial that is best so far.'
    : 'Bands: the best of as many trials drawn from all of the optimizer’s, with replacement, 80 % of 1,000 draws: what the ' +
        'same trials would have given in other orders. A line above its band searched worse at first than it did later.';
}

/** What lies beyond the axis; empty where nothing does. */
export function beyondText(record: SweepRecord, [, most]: readonly [number, number]): string {
  const beyond = objectivesOf(record).filter((objective) => objective > most).length;
  if (beyond === 0) return '';
  return `${beyond} ${beyond === 1 ? 'trial lies' : 'trials lie'} beyond the axis of losses, and ${beyond === 1 ? 'is' : 'are'} drawn at its end.`;
}
