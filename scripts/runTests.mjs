// All tests of all workspaces, then their sum. turbo's own exit status counts too: a runner may crash without a report.
import { spawnSync } from 'node:child_process';
import { removeReports, summarize } from './testSummary.mjs';

const tasks = ['test', 'test:browser', 'test:repository'];

removeReports();
const { status, error } = spawnSync(
  'turbo',
  ['run', ...tasks, '--continue=dependencies-successful', '--output-logs=new-only'],
  { stdio: 'inherit', shell: process.platform === 'win32' },
);
const crash = status === 0 ? undefined : `turbo ended with ${error?.message ?? status}`;
process.exitCode = summarize(crash) ? 0 : 1;
