/** What a user sees while a race runs: a bar with the time left on a terminal, plain lines elsewhere. */

import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import colors from 'picocolors';
import type { Watcher } from '../run/race.ts';
import type { Metrics } from '../run/records.ts';
import type { Race } from './analysis/races.ts';
import { differenceText, estimateText, percentText } from './format.ts';
import { cells, headings, type Summary } from './summary.ts';
import { metricName } from './words.ts';

/** Whether lines can be redrawn: a terminal, and not a log that only looks like one. */
export const isInteractive: boolean = Boolean(process.stdout.isTTY) && !process.env['CI'];

/** Watches a race. */
export interface ProgressView extends Watcher {
  /** Takes the bar away; call it before anything else is printed. */
  close(): void;
}

/** What there is to say besides a loss. */
function besides(accuracy: number | null, metrics: Metrics = {}): string {
  const own = Object.entries(metrics).map(([name, value]) => `  ${metricName(name)} ${value.toFixed(2)}`);
  return `${accuracy === null ? '' : `  accuracy ${(100 * accuracy).toFixed(1)} %`}${own.join('')}`;
}

/**
 * Shows a race.
 *
 * @param stepsEach - steps of one optimizer.
 * @param races - optimizers.
 * @param line - prints a line.
 */
export function progressView(stepsEach: number, races: number, line: (text: string) => void): ProgressView {
  const bar = isInteractive
    ? new SingleBar(
        {
          format: ' {bar} {percentage} % | {label} | loss {loss} | {eta_formatted} left',
          clearOnComplete: true,
          etaBuffer: 40,
        },
        Presets.shades_classic,
      )
    : null;
  let started = false;
  let finished = -1;
  const print = (text: string) => {
    bar?.stop();
    line(text);
    if (started) bar?.start(stepsEach * races, Math.max(finished, 0) * stepsEach, { label: '', loss: '' });
  };
  return {
    begin(optimizer, stepsDone) {
      finished++;
      if (!started) bar?.start(stepsEach * races, stepsDone, { label: optimizer, loss: '-' });
      started = true;
      print(`${colors.bold(optimizer)}${stepsDone > 0 ? ` continues after ${stepsDone} steps` : ''}`);
      bar?.update(finished * stepsEach + stepsDone, { label: optimizer, loss: '-' });
    },
    step({ optimizer, step, loss }) {
      bar?.update(finished * stepsEach + step + 1, { label: optimizer, loss: loss.toFixed(3) });
    },
    epoch({ epoch, trainLoss, validationLoss, validationAccuracy, metrics }) {
      const losses = `train ${trainLoss.toFixed(3)}  val ${validationLoss.toFixed(3)}`;
      print(`  epoch ${epoch + 1}  ${losses}${besides(validationAccuracy, metrics)}`);
    },
    final({ testLoss, testAccuracy, metrics }) {
      print(`  test loss ${testLoss.toFixed(3)}${besides(testAccuracy, metrics)}`);
    },
    failure(optimizer, reason) {
      print(colors.red(`  ${optimizer} cannot go on: ${reason}`));
    },
    close() {
      started = false;
      bar?.stop();
    },
  };
}

/** The table at the end of a race. */
export function terminalTable({ rows }: Summary): string {
  const best = Math.min(
    ...rows.map(({ validationLoss }) => validationLoss).filter((loss) => !Number.isNaN(loss)),
  );
  const table = new Table({ head: [...headings], style: { head: [], border: [], compact: true } });
  for (const row of rows) {
    const texts = cells(row);
    table.push(row.validationLoss === best ? texts.map((text) => colors.green(text)) : texts);
  }
  return table.toString();
}

/** The table of a race over its seeds: means, deviations, and seeds that failed. */
export function seedsTable({ record, seeds, contenders }: Race): string {
  const table = new Table({
    head: ['optimizer', 'val loss', 'test loss', 'test acc', 'test loss minus vradam’s'],
    style: { head: [], border: [], compact: true },
  });
  for (const { label, metrics, againstVradam } of contenders) {
    const { validationLoss, testLoss, testAccuracy } = metrics;
    table.push([
      label,
      estimateText(validationLoss),
      estimateText(testLoss),
      estimateText(testAccuracy, percentText),
      againstVradam ? differenceText(againstVradam) : '-',
    ]);
  }
  const title = `${record.config.task}, seeds ${seeds.join(', ')}: mean ± deviation over the seeds`;
  return `${colors.bold(title)}\n${table.toString()}`;
}
