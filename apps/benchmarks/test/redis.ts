/** A Redis or Valkey server of one's own, with a password, on a port of the loopback interface. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** The program; undefined where none is installed. */
export const redisProgram: string | undefined = ['redis-server', 'valkey-server']
  .flatMap((name) => ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'].map((folder) => join(folder, name)))
  .find(existsSync);

/** What must appear nowhere. */
export const password = 'Kq7-only-the-queue-knows';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

/** A server, which can be killed and started again. */
export interface RedisServer {
  readonly port: number;
  /** Its address, without the password. */
  readonly url: string;
  /** Folder of its append-only file. */
  readonly folder: string;
  start(): Promise<void>;
  kill(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @param more - options besides those that every one has, for its port.
 */
export async function startRedis(more: (port: number) => string[] = () => []): Promise<RedisServer> {
  const [port, folder] = [await freePort(), await mkdtemp(join(tmpdir(), 'vradam-redis-'))];
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--requirepass', password];
  const storage = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  let child: ChildProcess;
  const start = async () => {
    child = spawn(redisProgram as string, [...place, ...storage, ...more(port)], { stdio: 'ignore' });
    while (!(await answers(port))) await setTimeout(50);
  };
  const kill = async () => {
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  await start();
  return { port, url: `redis://127.0.0.1:${port}`, folder, start, kill };
}
