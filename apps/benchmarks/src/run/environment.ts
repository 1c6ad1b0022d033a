/** Where a run takes place, for its record. */

import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** The machine, without its name. */
export function hardware(): Readonly<Record<string, unknown>> {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
  };
}

function git(...args: string[]): string | null {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null; // not a checkout, or no git
  }
}

/** Commit of the working tree, with `+changes` if tracked files differ from it; null outside of git. */
export function commit(): string | null {
  const head = git('rev-parse', 'HEAD');
  return head && (git('status', '--porcelain', '--untracked-files=no') ? `${head}+changes` : head);
}

/** Largest resident memory of this process, in MiB. */
export function peakMemoryMiB(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}
