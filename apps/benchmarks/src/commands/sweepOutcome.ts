/** What a sweep found, for the terminal or for programs. */

import Table from 'cli-table3';
import { type FinalRow, readFinals } from '../report/sweep/final.ts';
import { finalTable } from '../report/sweep/tables.ts';
import type { ReportTable } from '../report/tables.ts';
import { encode } from '../run/records.ts';
import type { Choices } from '../sweep/space.ts';
import { type EndLine, type FinalLine, type Study, studyName } from '../sweep/study.ts';

/** Numbers as short as a reader needs them. */
const short = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value);

const describe = (choices: Choices): string =>
  Object.entries(choices)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ');

const outcome = ({ state, objective, reason }: Pick<EndLine, 'state' | 'objective' | 'reason'>): string =>
  objective === null ? `${state}, ${reason}` : short(objective);

/** A trial that has ended, in a line. */
export function trialText(line: Omit<EndLine, 'kind' | 'at'>, choices: Choices): string {
  const { optimizer, trial, seconds } = line;
  return `${optimizer} ${trial + 1}: ${outcome(line)} (${seconds.toFixed(1)} s; ${describe(choices)})`;
}

/** A run with a fresh seed, in a line. */
export function finalText(line: Omit<FinalLine, 'kind' | 'at'>): string {
  const { optimizer, seed, seconds } = line;
  return `${optimizer}, best trial, seed ${seed}: ${outcome(line)} (${seconds.toFixed(1)} s)`;
}

function terminalTable({ heads, rows }: ReportTable): string {
  const table = new Table({ head: heads.map(({ text }) => text), style: { head: [], border: [] } });
  for (const row of rows) table.push(row.map(({ text }) => text));
  return table.toString();
}

function bestTable(study: Study): string {
  const { objective, seeds } = study.config;
  const what = `${objective === 'last' ? 'last' : 'smallest'} validation loss${seeds > 1 ? `, mean of ${seeds} seeds` : ''}`;
  const heads = ['optimizer', what, 'with', 'trials', 'without a loss'].map((text) => ({ text }));
  const rows = study.config.optimizers.map((optimizer) => {
    const trials = study.trials(optimizer).filter(({ end }) => end !== null);
    const found = study.best(optimizer);
    const failed = trials.filter(({ end }) => end?.objective === null).length;
    const loss = found ? short(found.end?.objective) : 'none';
    const cells = [optimizer, loss, found ? describe(found.choices) : '', trials.length, failed];
    return cells.map((cell) => ({ text: String(cell) }));
  });
  return terminalTable({ heads, rows });
}

function asJson(study: Study, finals: readonly FinalRow[]): string {
  const best = study.config.optimizers.map((optimizer) => {
    const trial = study.best(optimizer);
    return {
      optimizer,
      trial: trial?.trial ?? null,
      objective: trial?.end?.objective ?? null,
      choices: trial?.choices ?? null,
    };
  });
  return JSON.stringify({ config: study.config, best, finals }, encode, 1);
}

/**
 * Writes the report of a sweep, and prints what was found.
 *
 * @param folder - of the study.
 * @param json - whether it is printed for programs.
 */
export async function showSweep(study: Study, folder: string, json: boolean): Promise<void> {
  // what draws is slow to load, and the trials need none of it
  const { writeSweepReport } = await import('../report/sweep/write.ts');
  const page = await writeSweepReport(folder, folder);
  const finals = await readFinals(study, folder);
  if (json) return void process.stdout.write(`${asJson(study, finals)}\n`);
  console.log(bestTable(study));
  if (finals.length > 0) console.log(`With fresh seeds:\n${terminalTable(finalTable(finals))}`);
  console.log(`Record: ${folder}/${studyName}. Report: ${page}`);
}
