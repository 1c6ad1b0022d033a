// Fills the generated parts of README.md from committed result files; with --check only says whether they are true.
import { readdirSync, readFileSync } from 'node:fs';
import { cells, headings, summarizeRun } from '../apps/benchmarks/dist/report/summary.js';
import { RunFolder } from '../apps/benchmarks/dist/run/records.js';
import { fill, markdownTable } from './generated.mjs';

const readJson = (path) => JSON.parse(readFileSync(new URL(`../results/${path}`, import.meta.url), 'utf8'));

/** Every completed race under results/ that is committed by name. */
async function results() {
  const summary = await summarizeRun(new RunFolder('results/cifar10-cnn-quick'));
  const { dataLine, config, network, hardware, peakMemoryMiB, versions, startedAt, finishedAt } =
    summary.record;
  const minutes = ((Date.parse(finishedAt) - Date.parse(startedAt)) / 60_000).toFixed(1);
  return [
    markdownTable(headings, summary.rows.map(cells)),
    '',
    `One run, seed ${config.seed}: differences of a few hundredths in loss are noise. Task ${config.task}, preset ` +
      `${config.preset} (${network.parameters} parameters, ${config.epochs} epochs, schedule ${config.schedule}), ` +
      `engine ${config.engine}. Data: ${dataLine}. ${hardware.cpu}, ${hardware.cores} cores, Node ${versions.node}; ` +
      `${minutes} minutes, ${peakMemoryMiB} MiB. Source: [results/cifar10-cnn-quick](results/cifar10-cnn-quick).`,
  ].join('\n');
}

const sizes = () =>
  markdownTable(
    ['import', 'gzipped', 'limit'],
    readJson('sizes.json').map(({ name, size, sizeLimit }) => [name, `${size} B`, `${sizeLimit} B`]),
  );

function conformance() {
  const rows = readJson('conformance.json');
  const backends = [...new Set(rows.map(({ backend }) => backend))];
  const worst = (own, key) =>
    Math.max(
      ...own
        .filter((row) => row.outcome === 'passed' && !row.reasons.length)
        .map((row) => row.deviations[key]),
    );
  return markdownTable(
    ['backend', 'passed', 'failed', 'skipped', 'worst parameters', 'worst effective learning rate'],
    backends.map((backend) => {
      const own = rows.filter((row) => row.backend === backend);
      const count = (outcome) => String(own.filter((row) => row.outcome === outcome).length);
      const deviations = ['parameters', 'effectiveLearningRate'].map((key) =>
        worst(own, key).toExponential(1),
      );
      return [backend, count('passed'), count('failed'), count('skipped'), ...deviations];
    }),
  );
}

/** A training step on onnxruntime-node beside PyTorch. */
function onnxruntime() {
  const { comparisons, torch, hardware, node, cores, growth } = readJson('onnxruntime-step.json');
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const rows = comparisons.map(({ name, summary, rounds, timeRatio, memoryRatio }) => {
    const of = (side, key, digits) => median(rounds.map((round) => round[side][key])).toFixed(digits);
    const times = [of('ours', 'medianMs', 1), of('torch', 'medianMs', 1), timeRatio.toFixed(2)];
    const memory = [of('ours', 'peakMiB', 0), of('torch', 'peakMiB', 0), memoryRatio.toFixed(2)];
    return [`${name}: ${summary}`, ...times, ...memory];
  });
  const heads = ['model', 'ms', 'PyTorch ms', 'ratio', 'peak MiB', 'PyTorch MiB', 'ratio'];
  return [
    markdownTable(heads, rows),
    '',
    `Forward, backward and a step: VRAdam on onnxruntime-node, AdamW on PyTorch ${torch.version}, one thread each, in turns; ` +
      `ratios are medians over rounds. ${hardware.cpu}, ${cores} cores, Node ${node}. Memory grows by ` +
      `${growth.kibPerStep.toFixed(2)} KiB a step over the second half of ${growth.steps} steps. ` +
      'Source: [results/onnxruntime-step.json](results/onnxruntime-step.json), by `npm run bench:onnxruntime`.',
  ].join('\n');
}

const sections = {
  results: await results(),
  sizes: sizes(),
  conformance: conformance(),
  onnxruntime: onnxruntime(),
};
fill('README.md', sections, 'npm run readme');
console.log(
  `${Object.keys(sections).length} parts of README.md, from ${readdirSync('results').length} results`,
);
