/** Where Chromium is. */

import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { benchmarkError } from '../../errors.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome.exe'];
const applications = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The browser that VRADAM_CHROMIUM names, else the first Chromium or Chrome that is found; undefined without one. */
export function findChromium(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const { VRADAM_CHROMIUM: named, PATH = '' } = environment;
  if (named) return existsSync(named) ? named : undefined;
  const onPath = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return [...onPath, ...applications].find(isExecutable);
}

/** What to do where there is none. */
export const missingChromium =
  'install it (Debian: apt-get install chromium), or name one in VRADAM_CHROMIUM';

/**
 * {@link findChromium}.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` without one.
 */
export function requireChromium(environment: NodeJS.ProcessEnv = process.env): string {
  const found = findChromium(environment);
  if (found !== undefined) return found;
  throw benchmarkError('ERR_UNSUPPORTED', {
    wrong: 'this engine needs Chromium',
    received: environment['VRADAM_CHROMIUM'] ?? 'none on the PATH',
    action: `To have it, ${missingChromium}.`,
  });
}
