// Rehearses a release, end to end, with nothing that leaves this machine: clones the last commit, raises the versions,
// builds and checks the packages, publishes them into a registry on loopback, tags; then installs each of them in an
// empty project, checks its types, and runs its example under every supported line of Node; then builds a backend
// outside of this repository, as the docs say.
//
//   npm run release:rehearse
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createBackend, failSuite, needed, passSuite } from './backend.mjs';
import { checkTypes, createProject, installNodes } from './projects.mjs';
import { startRegistry } from './registry.mjs';
import { close, readJson, required, run, step } from './steps.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vradam-release-'));
const repository = join(scratch, 'repository');

function clone() {
  run('git', ['clone', '-q', root, repository], scratch);
  run('git', ['config', 'user.name', 'rehearsal'], repository);
  run('git', ['config', 'user.email', 'rehearsal@localhost'], repository);
}

function raiseVersions() {
  run('npx', ['changeset', 'version'], repository);
  run('git', ['commit', '-qam', 'Release'], repository);
}

/** What is published, as it is after the versions were raised. */
const published = () =>
  readdirSync(join(repository, 'packages'))
    .map((folder) => readJson(join(repository, 'packages', folder, 'package.json')))
    .filter((manifest) => !manifest.private);

function checkTags(all) {
  const tags = run('git', ['tag'], repository).split('\n');
  const lost = all.filter(({ name, version }) => !tags.includes(`${name}@${version}`));
  if (lost.length > 0) throw new Error(`no tag for ${lost.map(({ name }) => name).join(', ')}`);
}

/** Installs a package as a user would, and tries it. */
async function tryPackage(manifest, nodes, context) {
  const { name, version } = manifest;
  const project = await step(`npm install ${name}@${version}`, () => createProject(manifest, context));
  if (!project) return;
  const { folder, page } = project;
  for (const kind of ['nodenext', 'bundler'])
    await step(`  its types, moduleResolution ${kind}`, () => checkTypes(folder, kind));
  for (const node of nodes)
    await step(`  its example (${page}), Node ${node.version}`, () => run(node.path, ['example.js'], folder));
}

async function tryAll(env) {
  const context = { scratch, repository, env };
  const all = published();
  await required('changeset publish', () => run('npx', ['changeset', 'publish'], repository, env));
  await step('a tag for each package', () => checkTags(all));
  const nodes = await required('the supported lines of Node', () => installNodes(scratch));
  for (const manifest of all) await tryPackage(manifest, nodes, context);
  const backend = await required('a backend as docs/contributing/new-backend.md builds it', () =>
    createBackend(
      all.filter(({ name }) => needed.includes(name)).map(({ name, version }) => `${name}@${version}`),
      context,
    ),
  );
  await step('  passes the published suite', () => passSuite(backend));
  await step('  with a mistake in it, fails, and is told where', () => failSuite(backend));
}

async function rehearse() {
  if (run('git', ['status', '--porcelain'], root) !== '')
    console.log('There are changes that are not committed: the last commit is rehearsed, without them.');
  await required('a clone of the last commit', clone);
  await required('npm ci', () => run('npm', ['ci', '--no-audit', '--no-fund'], repository));
  await required('changeset version', raiseVersions);
  await required('build', () => run('npm', ['run', 'build'], repository));
  await required('publint, attw, files, licences', () => run('npm', ['run', 'lint:package'], repository));
  const { server, env } = await required('a registry on loopback', () => startRegistry(scratch));
  try {
    await tryAll(env);
  } finally {
    server.kill();
  }
}

try {
  await rehearse();
} catch (error) {
  console.error(error.message);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
close();
