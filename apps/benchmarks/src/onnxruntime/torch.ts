/** PyTorch's side of the comparison: measured here if it is installed, else as it was stored. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { benchmarkError } from '../errors.ts';

const run = promisify(execFile);

/** What PyTorch needs for a step. */
export interface TorchResult {
  /** Median and smallest milliseconds of a step. */
  readonly medianMs: number;
  readonly minMs: number;
  /** Resident memory after the imports, and its peak. */
  readonly importedMiB: number;
  readonly peakMiB: number;
}

const script = fileURLToPath(new URL('../../torch/trainingStep.py', import.meta.url));
const stored = fileURLToPath(new URL('../../../../results/torch-step.json', import.meta.url));

interface TorchRecord {
  readonly versions: { readonly torch: string };
  readonly results: readonly {
    readonly name: string;
    readonly medianMs: { readonly step: number };
    readonly minMs: { readonly step: number };
    readonly memoryMiB: { readonly peak: number; readonly imported: number };
  }[];
}

function resultIn({ results }: TorchRecord, name: string): TorchResult {
  const found = results.find((result) => result.name === name);
  if (!found) {
    throw benchmarkError('ERR_FILE_FORMAT', {
      wrong: 'the PyTorch record must hold the model',
      received: name,
      action: 'Measure it with torch/trainingStep.py.',
    });
  }
  const { medianMs, minMs, memoryMiB } = found;
  return {
    medianMs: medianMs.step,
    minMs: minMs.step,
    importedMiB: memoryMiB.imported,
    peakMiB: memoryMiB.peak,
  };
}

/** A Python that has PyTorch. */
export interface InstalledTorch {
  /** Command. */
  readonly python: string;
  /** Version of PyTorch. */
  readonly version: string;
}

/** The first Python that has PyTorch, or null. The system's need not be the first on the path. */
export async function installedTorch(): Promise<InstalledTorch | null> {
  for (const python of [process.env['PYTHON'] ?? 'python3', '/usr/bin/python3']) {
    const probe = run(python, ['-c', 'import torch; print(torch.__version__)']);
    const version = await probe.then(
      ({ stdout }) => stdout.trim(),
      () => null,
    );
    if (version !== null) return { python, version };
  }
  return null;
}

/** Measures one model in a process of PyTorch. */
export async function measureTorch(
  { python }: InstalledTorch,
  name: string,
  steps: number | undefined,
): Promise<TorchResult> {
  const amount = steps === undefined ? [] : ['--steps', String(steps)];
  const { stdout } = await run(python, [script, '--model', name, ...amount, '--json'], {
    maxBuffer: 2 ** 26,
  });
  return resultIn(JSON.parse(stdout) as TorchRecord, name);
}

/** Stored figures, with the version they are of. */
export async function storedTorch(): Promise<{ version: string; of: (name: string) => TorchResult }> {
  const record = JSON.parse(await readFile(stored, 'utf8')) as TorchRecord;
  return { version: record.versions.torch, of: (name) => resultIn(record, name) };
}
