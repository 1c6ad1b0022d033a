// Brings what the browser tests need and npm does not: Chromium, and the Vulkan loader for WebGPU inside it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromiumPath, inCI } from './chromium.mjs';

const run = (command, args) => spawnSync(command, args, { encoding: 'utf8' });
const hasVulkan = () =>
  process.platform !== 'linux' || /libvulkan\.so\.1\b/.test(run('/sbin/ldconfig', ['-p']).stdout ?? '');

/** Debian packages that are not here. */
const missing = () => [
  ...(existsSync(chromiumPath) ? [] : ['chromium']),
  ...(hasVulkan() ? [] : ['libvulkan1']),
];

/** @returns what apt-get says if it fails. */
function install(packages) {
  console.log(`Installing ${packages.join(' and ')} for the browser tests ...`);
  const options = ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  process.env.DEBIAN_FRONTEND = 'noninteractive';
  run('apt-get', ['update', ...options]);
  const { status, stderr } = run('apt-get', ['install', ...options, '--no-install-recommends', ...packages]);
  if (status !== 0) console.error(`apt-get failed: ${stderr.trim()}`);
}

const canInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') && !process.env.CHROMIUM_PATH;
if (missing().length > 0 && canInstall) install(missing());

const rest = missing();
if (rest.length > 0) {
  console.log(`Missing for the browser tests: ${rest.join(', ')}.
  Debian, Ubuntu: sudo apt-get install ${rest.join(' ')}
  elsewhere:      install Chromium or Chrome, and set CHROMIUM_PATH (now ${chromiumPath})
${inCI ? 'With CI set that is an error.' : 'Without Chromium those tests are counted as skipped.'}`);
  if (inCI) process.exitCode = 1;
}
