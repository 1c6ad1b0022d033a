// A registry on loopback that holds @vradam alone: everything else comes from where it always does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { install } from './steps.mjs';

/** Installed for a rehearsal alone: its three hundred packages are nothing that a contributor should wait for. */
const project = {
  private: true,
  dependencies: { verdaccio: '6.5.2' },
  // else it asks for a tag of node-fetch that not every mirror has
  overrides: { 'verdaccio-audit': { 'node-fetch': '2.7.0' } },
};

function installProgram(scratch) {
  const folder = join(scratch, 'verdaccio');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(project));
  install(folder);
  return join(folder, 'node_modules/.bin/verdaccio');
}

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function writeConfig(scratch) {
  const path = join(scratch, 'registry.yaml');
  const lines = [
    `storage: ${join(scratch, 'storage')}`,
    `auth: { htpasswd: { file: ${join(scratch, 'htpasswd')} } }`,
    'uplinks: {}',
    "packages: { '@vradam/*': { access: $all, publish: $all } }",
    `log: { type: file, path: ${join(scratch, 'registry.log')}, level: warn }`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

/**
 * Starts it.
 *
 * @returns its process, and the environment in which npm uses it for @vradam.
 */
export async function startRegistry(scratch) {
  const program = installProgram(scratch);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const userconfig = join(scratch, 'npmrc');
  writeFileSync(userconfig, `@vradam:registry=${url}\n//127.0.0.1:${port}/:_authToken=rehearsal\n`);
  const server = spawn(program, ['-c', writeConfig(scratch), '-l', `127.0.0.1:${port}`], { stdio: 'ignore' });
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
