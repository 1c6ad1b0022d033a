/** The page: one file that needs nothing else. */

import type { Collection, DiagnosticsRecord, RunPicture, StepCosts } from '../analysis/collect.ts';
import type { Race } from '../analysis/races.ts';
import { lookOf } from '../figures/palette.ts';
import type { Drawing } from '../figures/plot.ts';
import type { ReportPanel, SensitivityFigure } from '../panels.ts';
import { diagnosticsRows, overviewTable, resultsTable, speedTable, stepTable } from '../tables.ts';
import {
  captionOf,
  nameOf,
  ordersOf,
  paperFiguresText,
  raceNames,
  targetText,
  titleOf,
  verdictsOf,
} from '../words.ts';
import { documentOf, drawn, figure, items, paragraphs } from './document.ts';
import { type Html, html } from './html.ts';
import { learningRatesSection } from './learningRates.ts';
import { swatch, tableHtml } from './table.ts';

/** A race with its figures. */
export interface RaceFigures {
  readonly race: Race;
  readonly panels: readonly ReportPanel[];
  /** What the models drew in its first run. */
  readonly pictures: readonly RunPicture[];
}

/** A figure that is no race. */
export interface Study {
  /** A plain word for links and files. */
  readonly id: string;
  readonly title: string;
  readonly drawing: Drawing;
}

/** All that a page shows. */
export interface PageParts {
  readonly races: readonly RaceFigures[];
  /** Profiles over all races; null for none. */
  readonly profile: ReportPanel | null;
  readonly collection: Collection;
  /** Losses over the learning rate. */
  readonly sensitivities: readonly SensitivityFigure[];
  /** Figures of commands of their own. */
  readonly studies: readonly Study[];
  /** What else the data are embedded with. */
  readonly replacer: (key: string, value: unknown) => unknown;
}

/** What did not come to its end, and what was left out. */
function shortcomings({ contenders, duplicates }: Race): string[] {
  const failed = contenders.flatMap((contender) =>
    contender.failures.map(
      ({ seed, step, reason }) => `${nameOf(contender)}, seed ${seed}: NaN after ${step} steps. ${reason}`,
    ),
  );
  const unfinished = contenders
    .filter((contender) => contender.unfinished.length > 0)
    .map((contender) => `${nameOf(contender)}, seed ${contender.unfinished.join(', ')}: not finished`);
  const left = duplicates.map((name) => `Left out, another run has the same seed and options: ${name}`);
  return [...failed, ...unfinished, ...left];
}

function pictureFigure({ optimizer, epochs, png }: RunPicture): Html {
  const { name } = lookOf(optimizer);
  const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  return html`
<figure><figcaption>${name}<small>after ${epochs} epochs</small></figcaption><img src="${source}" alt="Pictures drawn by the model that ${name} trained"></figure>`;
}

function picturesPart({ race, pictures }: RaceFigures): Html | null {
  if (pictures.length === 0) return null;
  return html`
<h3>What the models draw</h3>
<p class="note">Seed ${race.record.config.seed}; the same noise to begin with for all.</p>
<div class="panels">${pictures.map(pictureFigure)}</div>`;
}

function raceSection(figures: RaceFigures): Html {
  const { race, panels } = figures;
  const missing = items(shortcomings(race));
  const several = race.seeds.length > 1;
  const lines = several
    ? 'Lines: mean over the seeds. Bands: from the least to the most of them.'
    : 'One seed: no bands.';
  const isPaper = race.record.config.preset === 'paper';
  const scale = isPaper
    ? 'The network and its batches have the paper’s sizes; epochs and data are those above.'
    : 'The paper’s numbers are of the paper’s scale, far larger than this run’s: compare orders, not losses.';
  return html`
<section id="${race.id}">
<h2>${titleOf(race)}</h2>
${paragraphs(captionOf(race), 'note')}
${tableHtml(resultsTable(race))}
${race.published && html`<p class="note">${scale}</p>`}
${items([...ordersOf(race), ...verdictsOf(race)])}
<p class="note">${lines} ${paperFiguresText(race)}</p>
<div class="panels">${panels.map(figure)}</div>
${picturesPart(figures)}
<h3>Time to target, and the price of a step</h3>
<p class="note">${targetText(race)} Training time leaves evaluation out.</p>
${tableHtml(speedTable(race))}
${missing && html`<h3>What did not finish, or was left out</h3>${missing}`}
</section>`;
}

function diagnosticsSection(record: DiagnosticsRecord): Html {
  const { optimizers, rows } = diagnosticsRows(record);
  const most = record.learningRates.length;
  const heat = (passed: number) => {
    const strength = Math.round((60 * passed) / most);
    const color = `color-mix(in srgb, var(--vradam) ${strength}%, transparent)`;
    return html`<td style="background: ${color}">${passed > 0 ? passed : '–'}</td>`;
  };
  const solved = optimizers.map((_, i) => rows.filter(({ passed }) => (passed[i] ?? 0) > 0).length);
  return html`
<section id="diagnostics">
<h2>Diagnostics</h2>
<p class="note">${rows.length} small problems that each ask one thing of an optimizer. The number says how many of the same ${most}
learning rates pass, from ${record.learningRates[0] ?? ''} to ${record.learningRates.at(-1) ?? ''}, ${record.seeds.length > 1 ? `with every one of ${record.seeds.length} seeds where there is chance` : 'with one seed'}.</p>
<div class="scroll" tabindex="0"><table class="heat">
<thead><tr><th scope="col">problem</th>${optimizers.map((name) => html`<th scope="col">${swatch(name)}${lookOf(name).name}</th>`)}<th class="text" scope="col">asks for</th></tr></thead>
<tbody>${rows.map(
    ({ name, asks, passed }) => html`
<tr><th scope="row">${name}</th>${passed.map(heat)}<td class="asks">${asks}</td></tr>`,
  )}
<tr><th scope="row">solved, of ${rows.length}</th>${solved.map((count) => html`<td><b>${count}</b></td>`)}<td></td></tr>
</tbody></table></div>
</section>`;
}

const stepSection = (costs: StepCosts): Html => html`
<section id="step">
<h2>A step of the optimizer alone</h2>
<p class="note">Elements of a tensor × tensors. Medians of ${costs.rounds} rounds; the ratio is to a loop written by hand, in the same round.</p>
${tableHtml(stepTable(costs))}
</section>`;

const studySection = ({ id, title, drawing }: Study): Html => html`
<section id="${id}">
<h2>${title}</h2>
<div class="scroll" tabindex="0"><figure class="wide" style="min-width: 44rem">${drawn(drawing)}</figure></div>
</section>`;

const runsSection = ({ runs }: Collection): Html => html`
<section id="runs">
<h2>Runs</h2>
<div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">run</th><th scope="col">seed</th><th class="text" scope="col">status</th><th class="text" scope="col">started</th><th scope="col">peak MiB</th><th class="text" scope="col">commit</th></tr></thead>
<tbody>${runs.map(
  ({ record: { name, config, status, startedAt, peakMemoryMiB, commit } }) => html`
<tr><th scope="row">${name}</th><td>${config.seed}</td><td class="text">${status}</td><td class="text">${startedAt}</td><td>${peakMemoryMiB ?? '–'}</td><td class="text"><code>${(commit ?? '–').replace(/^(\w{12})\w+/, '$1')}</code></td></tr>`,
)}
</tbody></table></div>
</section>`;

const method = html`
<section id="method">
<h2>How to read this</h2>
<ul>
<li>All optimizers of a race start from the same weights and see the same batches, seed by seed. Each has the learning rate of its row; how it was found is in the task’s README.</li>
<li>Losses are of the last epoch, not of the best. A seed that failed makes the mean NaN: it is not left out.</li>
<li>Intervals are percentile bootstrap intervals of the mean, 95 %, from 10,000 resamples. With three seeds such an interval is little more than the range of the seeds.</li>
<li>The target of a race is the median over AdamW’s seeds of its best validation loss. A seed that never gets there is “not reached”, and counts as infinitely long.</li>
<li>The profile score is the mean, over factors from 1 to 4, of the share of races whose target an optimizer reaches within that factor of the fewest steps of any: 1 is first everywhere.</li>
<li>Where a step is one run of one graph, the optimizer’s part of it cannot be told apart and is “–”.</li>
</ul>
</section>`;

function navigation({ races, collection, sensitivities, studies }: PageParts): Html {
  const names = raceNames(races.map(({ race }) => race));
  const links = [
    ...races.map(({ race }, i) => [race.id, names[i]]),
    ...sensitivities.slice(0, 1).map(() => ['learning-rates', 'learning rates']),
    ...collection.diagnostics.slice(0, 1).map(() => ['diagnostics', 'diagnostics']),
    ...collection.steps.slice(0, 1).map(() => ['step', 'a step alone']),
    ...studies.map(({ id, title }) => [id, title]),
    ['runs', 'runs'],
    ['method', 'how to read this'],
  ] as [string, string][];
  return html`<nav>${links.map(([id, text]) => html`<a href="#${id}">${text}</a>`)}</nav>`;
}

function overview({ races, profile }: PageParts): Html | null {
  if (races.length === 0) return null;
  return html`
<h3>Test loss at a glance</h3>
${tableHtml(overviewTable(races.map(({ race }) => race)))}
<p class="note">Mean of the last epoch over the seeds ± standard deviation; least in bold. Differences smaller than the spread are noise.</p>
${profile && html`<div class="panels">${figure(profile)}</div>`}`;
}

/** What the page is about, in a sentence. */
function lead({ races, collection }: PageParts): string {
  const { runs, diagnostics } = collection;
  const tasks = new Set(races.map(({ race }) => race.record.config.task)).size;
  const engines = [...new Set(runs.map(({ record }) => record.config.engine))].join(', ');
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const what =
    runs.length > 0 ? [`${count(runs.length, 'run')} of ${count(tasks, 'task')} on ${engines}`] : [];
  const small = diagnostics.map(({ problems }) => count(problems.length, 'small problem'));
  return `${[...what, ...small].join('; ')}. Optimizers by arXiv 2505.13196 and the rivals it names.`;
}

/** Writes the page. */
export function pageOf(parts: PageParts): string {
  const { races, collection, sensitivities, studies, replacer } = parts;
  const data = {
    schema: 'vradam-report/1',
    races: races.map(({ race }) => race),
    learningRates: sensitivities.map(({ sensitivity }) => sensitivity),
    diagnostics: collection.diagnostics,
  };
  const header = html`<p class="lead faint">${lead(parts)}</p>
${navigation(parts)}`;
  const main = html`
${overview(parts)}
${races.map(raceSection)}
${learningRatesSection(sensitivities)}
${collection.diagnostics.map(diagnosticsSection)}
${collection.steps.map(stepSection)}
${studies.map(studySection)}
${collection.runs.length > 0 ? runsSection(collection) : null}
${method}`;
  return documentOf({ title: 'VRAdam benchmark report', header, main, data, replacer });
}
