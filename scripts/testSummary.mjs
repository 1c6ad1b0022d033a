// Adds up the vitest reports of all workspaces and closes with the plain line "N passed, N failed".
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Folders with a package.json: the root, and what its `workspaces` globs `folder/*` name. */
function workspaces() {
  const parents = readJson(join(root, 'package.json')).workspaces.map((glob) => join(root, dirname(glob)));
  const folders = parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)));
  return [root, ...folders.filter((folder) => existsSync(join(folder, 'package.json')))];
}

/** The report that a test script writes, as the script itself says. The root's `test` runs the others and has none. */
function expectedReports() {
  return workspaces().flatMap((folder) => {
    const scripts = Object.entries(readJson(join(folder, 'package.json')).scripts ?? {});
    const tests = scripts.filter(
      ([name]) => /^test(:|$)/.test(name) && !(folder === root && name === 'test'),
    );
    return tests.map(([name, command]) => {
      const file = /--outputFile=(\S+)/.exec(command)?.[1];
      const label = `${relative(root, folder) || 'root'} ${name}`;
      return { label, path: file && join(folder, file) };
    });
  });
}

/** Removes the reports of earlier runs: a task that crashes must not be judged by an old one. */
export function removeReports() {
  for (const { path } of expectedReports()) if (path) rmSync(path, { force: true });
}

/** How many tests were skipped, by reason. */
function skippedByReason(reports) {
  const counts = new Map();
  for (const { testResults } of reports) {
    for (const { name, assertionResults } of testResults) {
      for (const { status, meta } of assertionResults) {
        if (!['skipped', 'pending', 'todo', 'disabled'].includes(status)) continue;
        const reason = meta?.skipped ?? `no reason given in ${relative(root, name)}`;
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
}

const isFailed = ({ status }) => status === 'failed';

/** Files that no count of tests shows: those that did not load. */
const brokenFiles = ({ label, report }) =>
  report.testResults
    .filter(({ status, assertionResults }) => status === 'failed' && !assertionResults.some(isFailed))
    .map(({ name, message }) => `${label}: ${relative(root, name)} failed: ${message.split('\n')[0]}`);

/** A line for each failed test, with the first line of what went wrong: a long output is often cut. */
const failedTests = ({ label, report }) =>
  report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.filter(isFailed).map(({ fullName, failureMessages: [message = 'no message'] }) => {
      return `${label}: ${relative(root, name)}: ${fullName}: ${message.split('\n')[0]}`;
    }),
  );

function readReport({ label, path }) {
  if (!path) return { label, error: `${label} writes no report (--outputFile)` };
  if (!existsSync(path)) return { label, error: `${label} left no report: it failed before, or did not run` };
  try {
    return { label, report: readJson(path) };
  } catch (error) {
    return { label, error: `${label}: ${error.message}` };
  }
}

function printSkipped(reports) {
  const skipped = skippedByReason(reports);
  const total = skipped.reduce((sum, [, count]) => sum + count, 0);
  if (total > 0) console.log(`\nSkipped: ${total}`);
  for (const [reason, count] of skipped) console.log(`  ${count} x ${reason}`);
}

/**
 * Prints the summary. What kept tests from running counts as failed, so that the last line alone never looks green.
 *
 * @param crash - how the runner itself ended, if not well; it needs no count of its own if its cause has one.
 * @returns whether all is well.
 */
export function summarize(crash) {
  const read = expectedReports().map(readReport);
  const good = read.filter(({ report }) => report);
  const reports = good.map(({ report }) => report);
  const sum = (key) => reports.reduce((total, report) => total + report[key], 0);
  const passed = sum('numPassedTests');
  const problems = [
    ...read.flatMap(({ error }) => error ?? []),
    ...good.flatMap(brokenFiles),
    ...good.flatMap(failedTests),
  ];
  if (passed === 0) problems.push('no test passed');
  if (crash && problems.length === 0) problems.push(crash);
  printSkipped(reports);
  for (const problem of problems) console.log(`Failed: ${problem}`);
  console.log(`${passed} passed, ${problems.length} failed`);
  return problems.length === 0;
}

// node scripts/testSummary.mjs [step that failed]
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = summarize(process.argv[2]) ? 0 : 1;
}
