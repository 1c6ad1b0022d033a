// Fills the results of docs/reproduction.md from everything under results/; with --check only says whether they are true.
import { existsSync, readdirSync } from 'node:fs';
import { collect } from '../apps/benchmarks/dist/report/analysis/collect.js';
import { racesOf } from '../apps/benchmarks/dist/report/analysis/races.js';
import { escapeMarkdown, listText, tableText } from '../apps/benchmarks/dist/report/markdown.js';
import { sweepReportParts } from '../apps/benchmarks/dist/report/sweep/markdown.js';
import { readSweep } from '../apps/benchmarks/dist/report/sweep/record.js';
import { resultsTable } from '../apps/benchmarks/dist/report/tables.js';
import { captionOf, ordersOf, verdictsOf } from '../apps/benchmarks/dist/report/words.js';
import { fill } from './generated.mjs';

const sizes = ['paper', 'medium', 'quick'];
const { runs, edges } = await collect(['results']);
const races = racesOf(runs.filter(({ path }) => !/[\\/]sweep-[^\\/]+[\\/](?:trials|final)[\\/]/.test(path)));
if (races.length === 0) throw new Error('there are no runs under results/');

/** Everything that a race measured, and who was in it. */
function raceText(race) {
  const left =
    race.duplicates.length > 0 ? ` Left out, as they repeat a seed: ${race.duplicates.join(', ')}.` : '';
  return [
    captionOf(race).map(escapeMarkdown).join(' '),
    tableText(resultsTable(race)),
    listText([...ordersOf(race), ...verdictsOf(race)]),
    escapeMarkdown(`Runs: ${race.runs.join(', ')}.${left}`),
  ].join('\n\n');
}

/** Every run of a task that is committed, from the paper's size down. */
function taskText(task) {
  const own = races.filter(({ record }) => record.config.task === task);
  if (own.length === 0) throw new Error(`there are no runs of ${task} under results/`);
  const place = ({ record }) => sizes.indexOf(record.config.preset);
  return [...own]
    .sort((a, b) => place(a) - place(b))
    .map(raceText)
    .join('\n\n');
}

/** Every sweep that is committed: the best of each optimizer, and what fresh seeds say of it. */
async function sweepsText() {
  const folders = readdirSync('results').filter((name) => existsSync(`results/${name}/study.jsonl`));
  if (folders.length === 0) throw new Error('there are no sweeps under results/');
  const texts = [];
  for (const name of folders.sort()) {
    const { caption, best, finals } = sweepReportParts(await readSweep(`results/${name}`));
    texts.push(caption, ...best, ...finals, `Study: ${name}.`);
  }
  return texts.filter((text) => text !== '').join('\n\n');
}

const tasks = ['cifar10-cnn', 'language-model', 'gflownet', 'diffusion'];
const known = new Set(races.map(({ record }) => record.config.task));
for (const task of known)
  if (!tasks.includes(task)) throw new Error(`docs/reproduction.md has no part for ${task}`);
fill(
  'docs/reproduction.md',
  { ...Object.fromEntries(tasks.map((task) => [task, taskText(task)])), sweeps: await sweepsText() },
  'npm run readme',
);
console.log(
  `${races.length} races and ${edges.length} records of the edge of stability in docs/reproduction.md`,
);
