// Asks the registry whether something that users of a package get is known to be weak: `npm audit` of production
// dependencies, without those of the private apps. Reads the lock file alone; nothing has to be installed.
//
//   node scripts/audit.mjs [--required]
//
// A mirror may not answer such questions. It then says so and passes; with --required, as on GitHub, that is an error.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const workspaces = readdirSync(new URL('../packages', import.meta.url)).map(
  (name) => `--workspace=packages/${name}`,
);
const options = ['--package-lock-only', '--omit=dev', '--json', ...workspaces];
const { stdout, stderr, error } = spawnSync('npm', ['audit', ...options], {
  cwd: root,
  encoding: 'utf8',
  shell: process.platform === 'win32',
});

/** What npm printed, if it is JSON. */
function parsed() {
  try {
    return JSON.parse(stdout);
  } catch {
    return { message: error?.message ?? stderr };
  }
}

const { vulnerabilities, metadata, message } = parsed();
if (vulnerabilities && metadata.dependencies.prod > 0) {
  for (const { name, severity, range } of Object.values(vulnerabilities))
    console.error(`${severity}: ${name} ${range}`);
  const count = Object.keys(vulnerabilities).length;
  console.log(`${metadata.dependencies.prod} production dependencies, ${count} known to be weak`);
  process.exitCode = count > 0 ? 1 : 0;
} else {
  console.log(`not audited: ${message ?? 'the lock file has no production dependencies'}`);
  process.exitCode = process.argv.includes('--required') ? 1 : 0;
}
