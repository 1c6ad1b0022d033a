/** `vradam-bench data fetch`: downloads datasets. */

import { SingleBar } from 'cli-progress';
import { Argument, type Command } from 'commander';
import { type DatasetName, datasetSources, fetchDataset, type Progress } from '../data/index.ts';
import { isInteractive } from '../report/terminal.ts';

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** A bar for each file on a terminal; elsewhere a line for each tenth. */
function reporter(): { report(progress: Progress): void; close(): void } {
  const format = ' {bar} {percentage} % | {file} | {received} of {size} MiB | {eta_formatted} left';
  const bar = isInteractive ? new SingleBar({ format, clearOnComplete: true }) : null;
  let [current, tenth] = ['', -1];
  return {
    report({ file, received, total }) {
      const [payload, size] = [
        { file, received: mebibytes(received), size: mebibytes(total) },
        Math.max(total, 1),
      ];
      if (file !== current) {
        bar?.stop();
        bar?.start(size, received, payload);
        [current, tenth] = [file, -1];
      }
      bar?.update(received, payload);
      const reached = Math.floor((10 * received) / size);
      if (!bar && reached > tenth) console.log(`${file}: ${payload.received} of ${payload.size} MiB`);
      tenth = reached;
    },
    close: () => bar?.stop(),
  };
}

async function fetchAll(names: readonly DatasetName[], { dir }: { readonly dir: string }): Promise<void> {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  for (const name of names) {
    const { report, close } = reporter();
    try {
      const folder = await fetchDataset(name, dir, { onProgress: report, signal: controller.signal });
      close();
      console.log(`${name} is in ${folder}`);
    } finally {
      close();
    }
  }
  console.log(`Use it with --data ${dir}`);
}

/** Adds the command. */
export function addDataCommand(program: Command): void {
  const names = Object.keys(datasetSources);
  program
    .command('data')
    .description('real datasets')
    .command('fetch')
    .description('download and verify datasets; an interrupted download goes on where it stopped')
    .addArgument(new Argument('<names...>', 'datasets').choices(names))
    .option('--dir <dir>', 'folder to keep them in', 'data')
    .action(fetchAll);
}
