/** `vradam-bench report`: results as a page, a text and figures. */

import type { Command } from 'commander';

interface Flags {
  readonly out?: string;
  readonly json: boolean;
}

async function report(folders: readonly string[], { out, json }: Flags): Promise<void> {
  // what draws is slow to load, and no other command needs it
  const { writeReport } = await import('../report/write.ts');
  const written = await writeReport(folders, out ?? (folders[0] as string));
  if (json) return void process.stdout.write(`${JSON.stringify(written)}\n`);
  console.log(
    `Runs: ${written.runs}, races: ${written.races}. Written: ${written.page}, report.md and figures`,
  );
}

/** Adds the command. */
export function addReportCommand(program: Command): void {
  program
    .command('report')
    .description('write a report of results: one page that needs nothing else, a text, figures')
    .argument('<dirs...>', 'folders of runs, or folders of such folders')
    .option('--out <dir>', 'where to write it (default: the first folder)')
    .option('--json', 'print what was written as JSON', false)
    .action(report);
}
