/** Tables of a sweep. */

import { sum } from 'd3-array';
import { lookOf } from '../figures/palette.ts';
import {
  choicesText,
  differenceText,
  estimateText,
  intervalText,
  numberText,
  secondsText,
} from '../format.ts';
import type { ReportTable } from '../tables.ts';
import { metricName } from '../words.ts';
import type { FinalRow } from './final.ts';
import { bestOf, type SweepRecord, type SweptOptimizer } from './record.ts';
import { lossName } from './words.ts';

const lost = ({ trials }: SweptOptimizer): number =>
  trials.filter(({ objective }) => objective === null).length;

const prunedCount = ({ trials }: SweptOptimizer): number =>
  trials.filter(({ state }) => state === 'pruned').length;

/** Epochs that its runs have had, as far as they are there. */
const epochCount = ({ trials }: SweptOptimizer): number =>
  sum(trials, ({ curves }) => sum(curves, ({ validation }) => validation.length));

const headOf = (text: string) => ({ text, words: text === 'settings' || text === 'outcome' });

/** The best trial of each optimizer, and what its search took. */
export function bestTable({ config, optimizers }: SweepRecord): ReportTable {
  const best = optimizers.map(bestOf);
  const losses = best.flatMap((trial) => (trial ? [trial.objective as number] : []));
  const hasPruner = config.pruner !== undefined;
  const budget = ['trials', ...(hasPruner ? ['pruned', 'epochs'] : []), 'without a loss', 'time'];
  const heads = ['optimizer', lossName(config), 'trial', ...budget, 'settings'];
  return {
    heads: heads.map(headOf),
    rows: optimizers.map((each, i) => {
      const { optimizer, look, trials } = each;
      const found = best[i];
      const isBest = losses.length > 1 && found?.objective === Math.min(...losses);
      return [
        { text: look.name, optimizer },
        { text: found ? numberText(found.objective as number) : 'none', best: isBest },
        { text: found ? String(found.trial + 1) : '–' },
        { text: String(trials.length) },
        ...(hasPruner ? [prunedCount(each), epochCount(each)].map((count) => ({ text: String(count) })) : []),
        { text: String(lost(each) - prunedCount(each)) },
        { text: secondsText(sum(trials, ({ seconds }) => seconds)) },
        { text: found ? choicesText(found.choices) : '–', words: true },
      ];
    }),
  };
}

/** What fresh seeds say of the best settings. */
export function finalTable(rows: readonly FinalRow[]): ReportTable {
  const losses = ['validationLoss', 'testLoss'] as const;
  const least = losses.map((loss) => {
    const means = rows.map((row) => row[loss].mean).filter(Number.isFinite);
    return means.length > 1 ? Math.min(...means) : Number.NaN;
  });
  const heads = losses.flatMap((loss) => [metricName(loss), '95 %', 'minus VRAdam’s']);
  return {
    heads: ['optimizer', ...heads, 'seeds', 'settings'].map(headOf),
    rows: rows.map(({ optimizer, seeds, choices, ...row }) => [
      { text: lookOf(optimizer).name, optimizer },
      ...losses.flatMap((loss, i) => {
        const { againstVradam, mean } = row[loss];
        return [
          { text: estimateText(row[loss]), best: mean === least[i] },
          { text: intervalText(row[loss]) },
          { text: againstVradam ? differenceText(againstVradam) : '–' },
        ];
      }),
      { text: seeds.join(', ') },
      { text: choicesText(choices), words: true },
    ]),
  };
}

/** Every trial. */
export function trialsTable({ config, optimizers }: SweepRecord): ReportTable {
  const heads = ['optimizer', 'trial', lossName(config), 'time', 'settings', 'outcome'];
  return {
    heads: heads.map(headOf),
    rows: optimizers.flatMap(({ optimizer, look, trials }) => {
      const best = bestOf({ trials });
      return trials.map((each) => [
        { text: look.name, optimizer },
        { text: String(each.trial + 1) },
        { text: each.objective === null ? '–' : numberText(each.objective), best: each === best },
        { text: secondsText(each.seconds) },
        { text: choicesText(each.choices), words: true },
        { text: each.reason === '' ? each.state : `${each.state}: ${each.reason}`, words: true },
      ]);
    }),
  };
}
