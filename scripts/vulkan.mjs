// Where WebGPU in Node finds a Vulkan driver: the one that VK_DRIVER_FILES names, else the software that comes with Chromium.
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chromiumPath, hasChromium } from './chromium.mjs';

const folders = ['/usr/lib/chromium', ...(hasChromium ? [dirname(realpathSync(chromiumPath))] : [])];
const software = folders
  .map((folder) => join(folder, 'vk_swiftshader_icd.json'))
  .find((file) => existsSync(file));

/** Names the software driver, if no driver is named: tests are about numbers, the same on every machine. */
export function nameDriver() {
  if (software) process.env.VK_DRIVER_FILES ||= software;
}

/** Why there is no adapter. */
export const missingDriver =
  'no WebGPU adapter: install the Debian packages chromium and libvulkan1, or set VK_DRIVER_FILES to a Vulkan driver';
