/** `vradam-bench sweep-report`: a sweep as a page, a text and figures. */

import type { Command } from 'commander';

interface Flags {
  readonly out?: string;
}

async function sweepReport(folder: string, { out = folder }: Flags): Promise<void> {
  // what draws is slow to load, and few commands need it
  const { writeSweepReport } = await import('../report/sweep/write.ts');
  console.log(`Written: ${await writeSweepReport(folder, out)}, report.md and figures`);
}

/** Adds the command. */
export function addSweepReportCommand(program: Command): void {
  program
    .command('sweep-report')
    .description('write a report of a sweep as far as it has come: one page, a text, figures')
    .argument('<dir>', 'folder of the study')
    .option('--out <dir>', 'where to write it (default: the folder of the study)')
    .action(sweepReport);
}
