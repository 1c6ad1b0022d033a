// Where the browser tests find Chromium, and what to say when it is not there.
import { existsSync } from 'node:fs';

export const chromiumPath = process.env.CHROMIUM_PATH || '/usr/bin/chromium';

export const hasChromium = existsSync(chromiumPath);

/** Why the browser tests cannot run here. */
export const missingChromium = `no Chromium at ${chromiumPath}: install it, or set CHROMIUM_PATH`;

/** In continuous integration nothing may be skipped for want of a program. */
export const inCI = !['', '0', 'false'].includes(process.env.CI ?? '');
