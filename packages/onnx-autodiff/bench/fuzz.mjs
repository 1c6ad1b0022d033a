#!/usr/bin/env node
/** Damages ONNX files by the thousand; whatever they become, this package must answer with a model or its own error. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as api from '../dist/index.js';
import { attempt, mutate } from './mutate.mjs';

const usage = `Usage: fuzz PATH [--mutations N] [--seed N]

Damages the .onnx file PATH, or those in the folder PATH, and sends each through decode, load, gradients, encode.

  --mutations N   over all files together (default 20000)
  --seed N        of the first mutation of each file (default 1); the others follow
  --help          this text

Exit code: 0 if nothing but the package's own errors was thrown, 1 otherwise, 2 on wrong usage.`;

/** All .onnx files at or below a path. */
function modelsAt(path) {
  if (!statSync(path).isDirectory()) return [path];
  const inside = readdirSync(path)
    .sort()
    .map((name) => join(path, name));
  return inside.flatMap((child) =>
    statSync(child).isDirectory() ? modelsAt(child) : child.endsWith('.onnx') ? [child] : [],
  );
}

/** Sends `count` damaged versions of a file through the package. */
function fuzzFile(path, count, seed) {
  const bytes = new Uint8Array(readFileSync(path));
  const ops = Object.keys(api.operators);
  const counts = {};
  const crashes = [];
  let slowest = { ms: 0, seed };
  for (let i = seed; i < seed + count; i++) {
    const mutation = mutate(bytes, i, ops);
    const { outcome, ms, error } = attempt(api, mutation.bytes);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (outcome === 'crash') crashes.push({ seed: i, error });
    if (ms > slowest.ms) slowest = { ms, seed: i, kind: mutation.kind, outcome };
  }
  return { counts, crashes, slowest };
}

/** Seeds of crashes by the place where they happen. */
function groupCrashes(crashes) {
  const places = new Map();
  for (const { seed, error } of crashes) {
    const where = String(error?.stack ?? error)
      .split('\n')
      .slice(0, 5)
      .join('\n');
    places.set(where, [...(places.get(where) ?? []), seed]);
  }
  return places;
}

const positive = (text, name) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a positive integer, not ${text}`);
  return value;
};

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      mutations: { type: 'string', default: '20000' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void console.log(usage);
  if (positionals.length !== 1) throw new Error(`one PATH is needed, not ${positionals.length}`);
  const paths = modelsAt(positionals[0]);
  if (paths.length === 0) throw new Error(`${positionals[0]} holds no .onnx file`);
  const seed = positive(values.seed, 'seed');
  const each = Math.ceil(positive(values.mutations, 'mutations') / paths.length);
  let crashed = 0;
  for (const path of paths) {
    const { counts, crashes, slowest } = fuzzFile(path, each, seed);
    console.log(
      `${path}: ${Object.entries(counts)
        .map((entry) => entry.join(' '))
        .join(', ')}`,
    );
    console.log(
      `  slowest ${slowest.ms.toFixed(0)} ms: seed ${slowest.seed}, ${slowest.kind}, ${slowest.outcome}`,
    );
    for (const [where, seeds] of groupCrashes(crashes)) {
      console.log(`  CRASH, seeds ${seeds.slice(0, 5).join(', ')} (${seeds.length} in all): ${where}`);
    }
    crashed += crashes.length;
  }
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(`${each * paths.length} mutations, ${crashed} crashes, peak ${peak.toFixed(0)} MiB`);
  process.exitCode = crashed > 0 ? 1 : 0;
}

try {
  main();
} catch (error) {
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
