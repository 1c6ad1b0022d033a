// Steps of a rehearsal: each says how it went, and the last line counts them.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import colors from 'picocolors';

/** What a program said before it failed, cut to its end. */
const told = ({ stdout, stderr, message }) =>
  [stdout, stderr, message].filter(Boolean).join('\n').trim().split('\n').slice(-12).join('\n');

const results = [];

/** Does something, says how it went, and goes on in any case. */
export async function step(what, work) {
  const begin = performance.now();
  try {
    const value = await work();
    results.push(true);
    console.log(`${colors.green('passed')}  ${what}  ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    return value;
  } catch (error) {
    results.push(false);
    console.log(`${colors.red('failed')}  ${what}: ${told(error)}`);
    return undefined;
  }
}

/** A step without which the next ones make no sense. */
export async function required(what, work) {
  const value = await step(what, work);
  if (!results.at(-1)) throw new Error(`${what} failed`);
  return value;
}

/** Prints the count, and sets the exit code. */
export function close() {
  const failed = results.filter((passed) => !passed).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

const environment = {
  ...process.env,
  CI: 'true',
  ONNXRUNTIME_NODE_INSTALL: 'skip',
  TURBO_TELEMETRY_DISABLED: '1',
};

/** Runs a program; gives what it printed, and throws that with its exit code. */
export const run = (command, args, cwd, env = {}) =>
  execFileSync(command, args, { cwd, env: { ...environment, ...env }, encoding: 'utf8', stdio: 'pipe' });

/** `npm install` of some packages, or of what the folder's package.json says. */
export const install = (folder, names = [], env = {}) =>
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...names], folder, env);

export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
