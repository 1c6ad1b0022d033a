// A backend outside of this repository, word for word as docs/contributing/new-backend.md builds it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkTypes, createFolder, toJavaScript, versionOf } from './projects.mjs';
import { install, run } from './steps.mjs';

const page = 'docs/contributing/new-backend.md';

/** The mistake of the backend that is wrong on purpose, and what must be said of it. */
const mistake = { from: 'Math.abs(xi) ** power', to: 'xi ** power', named: /sumPower/ };

/** The page's files by their names, and its test. */
function blocksOf(repository) {
  const text = readFileSync(join(repository, page), 'utf8');
  const files = [...text.matchAll(/^```ts file=(\S+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]);
  const test = [...text.matchAll(/^```ts *\n(.*?)^```$/gms)].find(([, code]) =>
    code.includes("from 'node:test'"),
  );
  if (files.length === 0 || !test) throw new Error(`${page} has no files, or no test`);
  return Object.fromEntries([...files, ['conformance.test.ts', test[1]]]);
}

function write(folder, files) {
  for (const [name, code] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), code);
    writeFileSync(join(folder, name.replace(/\.ts$/, '.js')), toJavaScript(code));
  }
}

/** What the page has a backend install. */
export const needed = ['@vradam/core', '@vradam/conformance'];

/**
 * A project with the page's files, type-checked.
 *
 * @param packages - the needed ones as `npm install` takes them: with a version, or packed.
 */
export function createBackend(packages, { scratch, repository, env }) {
  const folder = createFolder(scratch, 'nested-arrays');
  install(folder, [...packages, versionOf('@types/node', repository)], env);
  const files = blocksOf(repository);
  write(folder, files);
  checkTypes(folder, 'nodenext', Object.keys(files));
  return { folder, files };
}

/** Runs the suite; it must pass, and must have had something to say. Gives the number of claims. */
export function passSuite({ folder }) {
  const output = run(process.execPath, ['--test', 'conformance.test.js'], folder);
  const [, count] = /^# pass (\d+)/m.exec(output) ?? [];
  if (!(Number(count) > 50)) throw new Error(`only ${count} claims were checked`);
  return Number(count);
}

/** Makes one operation wrong; the suite must fail, and name it. Gives what it said. */
export function failSuite({ folder, files }) {
  const right = files['src/ops.ts'];
  const wrong = right.replace(mistake.from, mistake.to);
  if (wrong === right) throw new Error(`${page} has no ${mistake.from} to change`);
  write(folder, { 'src/ops.ts': wrong });
  let output = '';
  try {
    run(process.execPath, ['--test', 'conformance.test.js'], folder);
  } catch (error) {
    output = error.stdout;
  }
  if (!mistake.named.test(output)) throw new Error(`a backend with ${mistake.to} was not refused by name`);
  return output;
}
