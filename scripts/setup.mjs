// Brings what tests need and npm does not: Chromium, the Vulkan loader for WebGPU inside it, Optuna in Python, which reads
// what a sweep writes, and Redis, which hands trials to workers. Without the last two their tests are counted as skipped.
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

const hasOptuna = () => run('/usr/bin/python3', ['-c', 'import optuna']).status === 0;

const hasRedis = () => ['redis-server', 'valkey-server'].some((name) => existsSync(`/usr/bin/${name}`));

/** Debian packages that are not here, and without which only few tests are left out. */
const optional = () => [...(hasOptuna() ? [] : ['python3-optuna']), ...(hasRedis() ? [] : ['redis-server'])];

/** @returns what apt-get says if it fails. */
function install(packages) {
  console.log(`Installing ${packages.join(' and ')} for the tests ...`);
  const options = ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  process.env.DEBIAN_FRONTEND = 'noninteractive';
  run('apt-get', ['update', ...options]);
  const { status, stderr } = run('apt-get', ['install', ...options, '--no-install-recommends', ...packages]);
  if (status !== 0) console.error(`apt-get failed: ${stderr.trim()}`);
}

const canInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') && !process.env.CHROMIUM_PATH;
const wanted = canInstall ? [...missing(), ...optional()] : [];
if (wanted.length > 0) install(wanted);

const rest = missing();
if (rest.length > 0) {
  console.log(`Missing for the browser tests: ${rest.join(', ')}.
  Debian, Ubuntu: sudo apt-get install ${rest.join(' ')}
  elsewhere:      install Chromium or Chrome, and set CHROMIUM_PATH (now ${chromiumPath})
${inCI ? 'With CI set that is an error.' : 'Without Chromium those tests are counted as skipped.'}`);
  if (inCI) process.exitCode = 1;
}
