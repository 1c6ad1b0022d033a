/** `vradam-bench webgpu`: what an optimizer step costs on a WebGPU device. */

import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { commit, hardware } from '../run/environment.ts';
import { openAlgorithms, openLayouts } from '../webgpu/cases.ts';
import { type OpenDevice, openDevice } from '../webgpu/device.ts';
import { measureContestants, type WebGPUResult } from '../webgpu/measure.ts';
import { wholeNumber } from './arguments.ts';

interface Flags {
  readonly rounds: number;
  readonly full?: boolean;
  readonly json?: string;
}

const size = (count: number): string => (count >= 1e6 ? `${count / 1e6}M` : `${count / 1e3}k`);

function print(head: string[], rows: (string | number)[][]): void {
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  console.log(table.toString());
}

/** Bytes per second, as a share of the copy's. */
const shareOfCopy = ({ bytes, ms }: WebGPUResult, copy: WebGPUResult): number =>
  bytes / ms / (copy.bytes / copy.ms);

async function algorithms(open: OpenDevice, elements: number, rounds: number) {
  const steps = elements >= 1e7 ? 3 : 5;
  const { clock, results } = await measureContestants(
    open,
    await openAlgorithms(open.device, elements),
    1,
    rounds,
    steps,
  );
  const [copy] = results as [WebGPUResult];
  const rows = results.map((result) => ({
    ...result,
    gigabytesPerSecond: (result.bytes * elements) / result.ms / 1e6,
    shareOfCopy: shareOfCopy(result, copy),
  }));
  print(
    [
      `${size(elements)} parameters`,
      'ms',
      'ratio to AdamW',
      'B a parameter',
      'GB/s',
      'of the copy',
      'encode ms',
    ],
    rows.map(({ name, ms, ratio, bytes, gigabytesPerSecond, shareOfCopy, encodeMs }) => [
      name,
      ms.toFixed(2),
      ratio.toFixed(2),
      bytes,
      gigabytesPerSecond.toFixed(2),
      `${(100 * shareOfCopy).toFixed(0)} %`,
      encodeMs.toFixed(3),
    ]),
  );
  return { clock, elements, rows };
}

async function layouts(open: OpenDevice, rounds: number) {
  const [elements, tensors] = [124_000, 200];
  const contestants = await openLayouts(open.device, elements, tensors);
  const { results } = await measureContestants(open, contestants, 0, rounds, 5);
  print(
    [`VRAdam, ${size(elements)} parameters`, 'ms', 'ratio to 1 tensor', 'encode ms'],
    results.map(({ name, ms, ratio, encodeMs }) => [
      name,
      ms.toFixed(2),
      ratio.toFixed(2),
      encodeMs.toFixed(3),
    ]),
  );
  return { elements, tensors, rows: results };
}

async function run({ rounds, full, json }: Flags): Promise<void> {
  const open = await openDevice();
  console.log(`Adapter: ${open.adapter['description'] || open.adapter['vendor']}`);
  const sizes = full ? [1e6, 1e7, 1e8] : [1e6];
  const perSize = [];
  for (const elements of sizes) perSize.push(await algorithms(open, elements, rounds));
  const record = {
    schema: 'vradam-webgpu-step/1',
    rounds,
    clock: perSize[0]?.clock,
    node: process.versions.node,
    adapter: open.adapter,
    hardware: hardware(),
    commit: commit(),
    algorithms: perSize.map(({ elements, rows }) => ({ elements, rows })),
    layouts: await layouts(open, rounds),
  };
  console.log(
    `Medians of ${rounds} rounds, by the clock of the ${record.clock === 'gpu' ? 'device' : 'CPU, all threads'}; ratios are within a round.`,
  );
  if (json) await writeFile(json, `${JSON.stringify(record, null, 2)}\n`);
  open.device.destroy();
}

/** Adds the command. */
export function addWebgpuCommand(program: Command): void {
  program
    .command('webgpu')
    .description('measure an optimizer step on a WebGPU device against AdamW and a copy')
    .option('--rounds <n>', 'measured rounds', wholeNumber(1), 15)
    .option('--full', 'also 10M and 100M parameters: for a real GPU')
    .option('--json <file>', 'write the results as JSON too')
    .action(run);
}
