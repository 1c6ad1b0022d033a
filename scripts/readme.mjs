// Fills the generated parts of README.md from committed result files; with --check only says whether they are true.
import { readdirSync, readFileSync } from 'node:fs';
import { collect } from '../apps/benchmarks/dist/report/analysis/collect.js';
import { racesOf } from '../apps/benchmarks/dist/report/analysis/races.js';
import { escapeMarkdown, tableText } from '../apps/benchmarks/dist/report/markdown.js';
import { overviewTable } from '../apps/benchmarks/dist/report/tables.js';
import { fill, markdownTable } from './generated.mjs';

const readJson = (path) => JSON.parse(readFileSync(new URL(`../results/${path}`, import.meta.url), 'utf8'));

/** The small presets of all tasks, on five seeds. */
async function results() {
  const folders = readdirSync('results').filter((name) => /-quick-seed-1[1-5]$/.test(name));
  const { runs } = await collect(folders.map((name) => `results/${name}`));
  const races = racesOf(runs);
  const [{ seeds, record }] = races;
  if (races.some((race) => String(race.seeds) !== String(seeds))) throw new Error('races of different seeds');
  const { heads, rows } = overviewTable(races);
  const lossesAlone = { heads: heads.slice(0, -1), rows: rows.map((row) => row.slice(0, -1)) };
  const sizesOf = races.map(({ record: { config, network } }) => `${config.task} ${network.parameters}`);
  return [
    tableText(lossesAlone),
    '',
    escapeMarkdown(
      `Test loss, mean ± standard deviation over seeds ${seeds.join(', ')}; the lowest in bold. Every optimizer has its own ` +
        `tuned learning rate. The models are small (parameters: ${sizesOf.join(', ')}) and trained for minutes on ` +
        `${record.hardware.cores} cores of a CPU, on real data where there is any; they say little about the paper’s size.`,
    ),
    '',
    'Each table in full, beside those of the paper, with what is undecided: [results/quick.md](results/quick.md). Larger ' +
      'runs, and what the paper leaves open: [reproduction notes](docs/reproduction.md).',
  ].join('\n');
}

/** What an import weighs with all that it needs of ours, by its name in .size-limit.json. */
const weightOf = {
  '@vradam/tfjs': '@vradam/tfjs, { VRAdam }',
  '@vradam/onnxruntime':
    '@vradam/onnxruntime, { createTrainingSession, crossEntropy, vradam } with everything they need',
  '@vradam/webgpu': '@vradam/webgpu with the core, { createOptimizer, vradam }',
  '@vradam/wasm': '@vradam/wasm, everything, without core',
  '@vradam/core': '@vradam/core, { vradam, createOptimizer }',
  '@vradam/onnx-autodiff': '@vradam/onnx-autodiff, everything, without core',
};

const users = {
  '@vradam/tfjs': 'TensorFlow.js',
  '@vradam/onnxruntime': 'ONNX models, on onnxruntime-web or onnxruntime-node',
  '@vradam/webgpu': 'WebGPU: shaders of your own, or anyone’s GPUBuffers',
  '@vradam/wasm': 'plain Float32Arrays, at the speed of native code',
  '@vradam/core': 'plain arrays, or a backend of your own',
  '@vradam/onnx-autodiff': 'something else, but need gradients of an ONNX model',
};

function install() {
  const all = new Map(readJson('sizes.json').map(({ name, size }) => [name, size]));
  const kilobytes = (name) => {
    const size = all.get(weightOf[name]);
    if (size === undefined) throw new Error(`results/sizes.json has no ${weightOf[name]}`);
    return `${(size / 1000).toFixed(1)} kB`;
  };
  return markdownTable(
    ['you train with', 'install', 'adds to a page'],
    Object.entries(users).map(([name, who]) => [who, `\`npm install ${name}\``, kilobytes(name)]),
    2,
  );
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
  install: install(),
  results: await results(),
  sizes: sizes(),
  conformance: conformance(),
  onnxruntime: onnxruntime(),
};
fill('README.md', sections, 'npm run readme');
console.log(
  `${Object.keys(sections).length} parts of README.md, from ${readdirSync('results').length} results`,
);
