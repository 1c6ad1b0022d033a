/**
 * `getContiguousParameters` of onnxruntime-web 1.19.2, in a process of its own: it frees memory on its stack, after
 * which that runtime may throw or wait forever.
 */

import { spawnSync } from 'node:child_process';
import type { TrainingArtifacts } from '../src/legacy/index.ts';

const script = `
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const folder = new URL('./', pathToFileURL(createRequire(process.argv[1]).resolve('onnxruntime-web-legacy'))).href;
const ort = await import(folder + 'ort.training.wasm.min.mjs');
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = folder;
const files = Object.entries(JSON.parse(readFileSync(0, 'utf8'))).map(([name, text]) => [name, Buffer.from(text, 'base64')]);
const session = await ort.TrainingSession.create(Object.fromEntries(files));
const { data } = await session.getContiguousParameters(true);
console.log(JSON.stringify(Array.from(data)));
process.exit();
`;

/** First values of the parameters, as the runtime gives them. */
export function contiguousParameters(artifacts: TrainingArtifacts): number[] {
  const { trainingModel: trainModel, evalModel, optimizerModel, checkpoint: checkpointState } = artifacts;
  const files = Object.entries({ trainModel, evalModel, optimizerModel, checkpointState });
  const input = JSON.stringify(
    Object.fromEntries(files.map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')])),
  );
  const options = { input, encoding: 'utf8', timeout: 30_000, maxBuffer: 2 ** 24 } as const;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script, import.meta.filename],
    options,
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}
