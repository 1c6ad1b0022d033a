// Writes what each entry point of each package exports into packages/*/etc, so that a change of the API is seen in review;
// with --check only says whether it is true.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');
const scratch = mkdtempSync(join(tmpdir(), 'vradam-api-'));

/** How a user's TypeScript reads the declarations. */
const compilerOptions = {
  module: 'nodenext',
  target: 'es2022',
  lib: ['es2023', 'dom'],
  types: [],
  strict: true,
  skipLibCheck: true,
};

/** The modules that a package exports: their declarations, and the names of their reports. */
function entriesOf(name) {
  const folder = join(root, 'packages', name);
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([, target]) => target.endsWith('.js'))
    .map(([path, target]) => ({
      folder,
      declarations: join(folder, target.replace(/\.js$/, '.d.ts')),
      report: `${name}${path.slice(1).replaceAll('/', '-')}`,
    }));
}

const configOf = ({ folder, declarations, report }) =>
  ExtractorConfig.prepare({
    packageJsonFullPath: join(folder, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: declarations,
      compiler: { overrideTsconfig: { compilerOptions, files: [declarations] } },
      apiReport: {
        enabled: true,
        reportFileName: report,
        reportFolder: join(folder, 'etc'),
        reportTempFolder: scratch,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      newlineKind: 'lf',
    },
  });

/** Errors are told, and differences where they are looked for; comments are for typedoc to judge. */
const onMessage = (message) => {
  const isDifference = check && message.messageId.startsWith('console-api-report');
  message.handled = message.logLevel !== 'error' && !isDifference;
};

/** @returns whether the report was what the module exports. */
function reportOn(entry) {
  mkdirSync(join(entry.folder, 'etc'), { recursive: true });
  const { apiReportChanged, errorCount } = Extractor.invoke(configOf(entry), {
    localBuild: !check,
    printApiReportDiff: check,
    messageCallback: onMessage,
  });
  if (errorCount > 0) throw new Error(`${entry.declarations} could not be read`);
  return !apiReportChanged;
}

/** Reports of modules that are exported no more. */
function staleReports(name, entries) {
  const known = entries.map(({ report }) => `${report}.api.md`);
  const folder = join(root, 'packages', name, 'etc');
  return readdirSync(folder)
    .filter((file) => !known.includes(file))
    .map((file) => join(folder, file));
}

let [count, wrong] = [0, 0];
try {
  for (const name of readdirSync(join(root, 'packages'))) {
    const entries = entriesOf(name);
    const changed = entries.filter((entry) => !reportOn(entry));
    const stale = staleReports(name, entries);
    count += entries.length;
    wrong += changed.length + stale.length;
    for (const path of stale) {
      if (check) console.error(`${path} is of a module that is exported no more`);
      else rmSync(path);
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (check && wrong > 0) {
  console.error(
    'The API is not what packages/*/etc says. If you mean the change: npm run api, and commit it with a changeset.',
  );
  process.exitCode = 1;
}
console.log(`${count} modules, ${wrong} changed`);
