/** Sentences of a report. */

import type { RunRecord } from '../run/records.ts';
import { tasks } from '../tasks/index.ts';
import { type OwnOptions, ownDefaults } from '../tasks/task.ts';
import type { Contender, Race } from './analysis/races.ts';
import type { Sensitivity } from './analysis/sensitivity.ts';
import type { PairedDifference } from './analysis/statistics.ts';
import { lookOf } from './figures/palette.ts';
import { differenceText, numberText, secondsText } from './format.ts';

/** What people call a task. */
export function titleOf({ record }: Pick<Race, 'record'>): string {
  return tasks.find(({ name }) => name === record.config.task)?.title ?? record.config.task;
}

/** Name of the file of a race's figure, without its ending. */
export const figureNameOf = ({ id, record }: Race): string =>
  `${id}-${record.config.task}`.replaceAll(/[^\w-]/g, '_');

/** Which figures of the paper a race's curves stand for; empty where there is none. */
export function paperFiguresText({ published }: Race): string {
  if (!published?.figures) return '';
  return `The paper shows these curves in its ${published.figures}; its bands are over the runs of a sweep, ours over seeds.`;
}

/** What was chosen of the options that only its task has: `gflownet loss corrected`; a switch only if it was on. */
function choicesOf({ config }: RunRecord): string[] {
  const options = tasks.find(({ name }) => name === config.task)?.ownOptions ?? [];
  return options.flatMap((option) => {
    const value = option in ownDefaults ? config[option as keyof OwnOptions] : undefined;
    if (value === undefined || value === false) return [];
    return [value === true ? metricName(option) : `${metricName(option)} ${value}`];
  });
}

/** Short names of races, each another one: as much as it takes to tell them apart. */
export function raceNames(races: readonly Race[]): string[] {
  const names = races.map(({ id, record }) => {
    const { config } = record;
    const epochs = `${config.epochs} epoch${config.epochs === 1 ? '' : 's'}`;
    const parts = [`${config.task}, ${config.preset}`, ...choicesOf(record), epochs, config.engine, id];
    return parts.map((_, i) => parts.slice(0, i + 1).join(', '));
  });
  return names.map((own) => {
    const isOnly = (name: string, i: number) => names.filter((each) => each[i] === name).length === 1;
    return own.find(isOnly) ?? (own.at(-1) as string);
  });
}

/** A contender as people write it, with its learning rate where the optimizer raced with several. */
export function nameOf({ label, optimizer }: Pick<Contender, 'label' | 'optimizer'>): string {
  return lookOf(optimizer).name + label.slice(optimizer.length);
}

const list = (values: readonly (string | number)[]): string => values.join(', ');

/** Scale, seeds, engine, data and machine of a race. */
export function captionOf({ record, seeds }: Race): string[] {
  const { config, network, versions, hardware, dataLine, taskConfig } = record;
  const { task, preset, epochs, schedule, engine } = config;
  const steps = taskConfig['stepsPerEpoch'];
  const version = versions[engine] === undefined ? '' : ` ${versions[engine]}`;
  return [
    `${task}, preset ${preset}: ${network.parameters.toLocaleString('en')} parameters, ${epochs} epoch${epochs === 1 ? '' : 's'}` +
      `${typeof steps === 'number' ? ` of ${steps} steps` : ''}, schedule ${schedule}` +
      `${choicesOf(record)
        .map((choice) => `, ${choice}`)
        .join('')}.`,
    `${seeds.length > 1 ? `Seeds ${list(seeds)}: mean ± standard deviation` : `One seed, ${seeds[0]}: no spread is known`}. ` +
      `Engine ${engine}${version}, Node ${versions['node']}, ${hardware['cpu']}, ${hardware['cores']} cores.`,
    `Data: ${dataLine.replace(/\.$/, '')}.`,
  ];
}

const testLoss = ({ metrics }: Contender): number => metrics['testLoss']?.mean ?? Number.NaN;

/** From least to most, those without a number last and together. */
function orderOf(rows: readonly { readonly name: string; readonly loss: number }[]): string {
  const finite = rows.filter(({ loss }) => Number.isFinite(loss)).sort((a, b) => a.loss - b.loss);
  const failed = rows.filter(({ loss }) => !Number.isFinite(loss)).map(({ name }) => name);
  const parts = finite.map(({ name, loss }, i) => {
    const equal = i > 0 && (finite[i - 1] as { loss: number }).loss === loss;
    return `${i === 0 ? '' : equal ? ' = ' : ' < '}${name}`;
  });
  return [parts.join(''), ...(failed.length > 0 ? [`NaN: ${failed.join(', ')}`] : [])]
    .filter(Boolean)
    .join('; ');
}

/** The order by mean test loss here, and in the paper. */
export function ordersOf({ contenders, published }: Race): string[] {
  const ours = contenders.map((each) => ({ name: nameOf(each), loss: testLoss(each) }));
  const lines = [`By test loss here: ${orderOf(ours)}.`];
  if (!published) return lines;
  const theirs = published.rows.map((row) => ({ name: lookOf(row.optimizer).name, loss: row.testLoss }));
  return [...lines, `In the paper’s ${published.table}: ${orderOf(theirs)}.`];
}

/**
 * What the seeds say of VRAdam against a rival, in plain words.
 *
 * @param pair - rival minus VRAdam.
 * @param loss - what was compared, as `Test loss`.
 */
export function verdictOf(name: string, pair: PairedDifference, loss = 'Test loss'): string {
  const { difference, lower, seeds } = pair;
  const counted = `lower for VRAdam with ${lower} of ${seeds.length} seeds`;
  const begin = `${loss} of ${name} minus VRAdam’s: ${differenceText(pair)}, ${counted}`;
  if (!Number.isFinite(difference.mean)) return `${begin}; a seed that is NaN leaves no mean.`;
  if (!difference.interval) return `${begin}. One seed of both decides nothing.`;
  const [low, high] = difference.interval;
  if (low > 0) return `${begin}: above 0, VRAdam does better.`;
  return high < 0 ? `${begin}: below 0, VRAdam does worse.` : `${begin}: undecided.`;
}

/** What the seeds say of VRAdam against each rival, in plain words. */
export function verdictsOf({ contenders, seeds: all }: Race): string[] {
  if (all.length === 1)
    return ['One seed: an order may be chance. Run with --seeds 3 or more for intervals.'];
  return contenders.flatMap((rival) => {
    const pair = rival.againstVradam;
    return pair && pair.seeds.length > 0 ? [verdictOf(nameOf(rival), pair)] : [];
  });
}

/** Steps to the target, seed by seed; a seed that missed it says so. */
export function reachedText({ reached }: Pick<Contender, 'reached'>, of: 'steps' | 'seconds'): string {
  if (!reached || reached.length === 0) return '–';
  const text = of === 'steps' ? numberOfSteps : secondsText;
  const values = reached.map((each) => each[of]);
  const got = values.filter(Number.isFinite).map(text);
  const missed = values.length - got.length;
  if (missed === 0) return got.join(', ');
  const times = values.length > 1 ? ` ×${missed}` : '';
  return [...(got.length > 0 ? [got.join(', ')] : []), `not reached${times}`].join('; ');
}

const numberOfSteps = (steps: number): string => String(Math.round(steps));

/** What counts as arrived. */
export const targetText = ({ target }: Race): string =>
  target === null
    ? 'No target: it is set by AdamW’s seeds, and there is none that got to a loss.'
    : `Target: validation loss ${numberText(target)}, the median over AdamW’s seeds of its best; looked at after each epoch.`;

const words: Readonly<Record<string, string>> = {
  trainLoss: 'training loss',
  validationLoss: 'validation loss',
  testLoss: 'test loss',
  validationAccuracy: 'validation accuracy',
  testAccuracy: 'test accuracy',
  effectiveLearningRate: 'effective learning rate',
  norm: 'norm that brakes',
};

/** A metric, or an option, in words: `meanReward` is `mean reward`. */
export const metricName = (name: string): string =>
  words[name] ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Titles of grids of learning rates: task and preset, with the data where others have the same. */
export function sensitivityTitles(all: readonly Sensitivity[]): string[] {
  const short = all.map(({ task, preset }) => `${task}, ${preset}`);
  const isOnly = (title: string) => short.filter((each) => each === title).length === 1;
  return short.map((title, i) => {
    const [data] = (all[i] as Sensitivity).data.split(/[;:,]/);
    return isOnly(title) ? title : `${title}: ${data}`;
  });
}

/** How often each learning rate was tried: `2 seeds`, `1 to 3 seeds`. */
function seedsText({ curves }: Sensitivity): string {
  const counts = curves.flatMap(({ points }) => points.map(({ tried }) => tried));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${most} seed${most === 1 ? '' : 's'}` : `${least} to ${most} seeds`;
}

/** What was tried on a grid of learning rates. */
export function sensitivityCaption(sensitivity: Sensitivity): string {
  const { data, epochs, note } = sensitivity;
  return `${titled(note)}; ${epochs} epochs; ${seedsText(sensitivity)} each. Data: ${data.replace(/\.$/, '')}.`;
}

const titled = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** How to read the figures of learning rates. */
export const sensitivityNote =
  'Every optimizer over a grid of learning rates, all else at its default. Dots: mean over the seeds; bars: from the least to the most of them; rings: the best of each. A cross at the top: a seed ended without a number.';
