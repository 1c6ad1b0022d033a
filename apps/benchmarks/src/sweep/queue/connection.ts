/** The way to a Redis or Valkey server. What is secret about it appears in no message, whatever goes wrong. */

import { readFile } from 'node:fs/promises';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import { benchmarkError, fileSystemError } from '../../errors.ts';

/** Where a queue is. */
export interface QueueOptions {
  /** `redis://user:password@host:port/database`, or `rediss://` for TLS. */
  readonly url: string;
  /** Password in place of the one in the address. */
  readonly password: string | undefined;
  /** What all keys of the queue begin with. */
  readonly prefix: string;
  /** Files in PEM: the authority that vouches for the server; a certificate of the client's own, and its key. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** A server that is there. */
export interface Connection {
  readonly redis: Redis;
  readonly prefix: string;
  /** Its address, without anything secret. */
  readonly place: string;
  /** Another connection to the same server, for commands that wait. */
  duplicate(): Redis;
  /** Ends all connections at once, whatever they are at. */
  close(): void;
}

const decoded = (text: string): string | undefined => (text === '' ? undefined : decodeURIComponent(text));

/** What an address says; null if it is none. */
function partsOf(text: string) {
  try {
    const url = new URL(text);
    const isOne = ['redis:', 'rediss:'].includes(url.protocol) && url.hostname !== '';
    if (!isOne || !/^(\/\d*)?$/.test(url.pathname)) return null;
    return {
      isSecure: url.protocol === 'rediss:',
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 6379 : Number(url.port),
      db: Number(url.pathname.slice(1)),
      username: decoded(url.username),
      password: decoded(url.password),
    };
  } catch {
    return null; // its message would hold the address
  }
}

type Address = NonNullable<ReturnType<typeof partsOf>>;

function parse(text: string): Address {
  const address = partsOf(text);
  if (address) return address;
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: 'the queue must be redis://host:port, or rediss://host:port for TLS',
    received: 'something else, which is not shown because it may hold a password',
    action:
      'Give --queue or VRADAM_QUEUE such an address; user and password go before the host, as in a URL.',
  });
}

const contentOf = (path: string | undefined): Promise<string | undefined> =>
  path === undefined
    ? Promise.resolve(undefined)
    : readFile(path, 'utf8').catch((error) => {
        throw fileSystemError(path, error);
      });

async function tlsOptions(
  isSecure: boolean,
  { ca, cert, key }: QueueOptions,
): Promise<TlsOptions | undefined> {
  const files = { ca: await contentOf(ca), cert: await contentOf(cert), key: await contentOf(key) };
  const given = Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined));
  if (isSecure) return given;
  if (Object.keys(given).length === 0) return undefined;
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: 'certificates are of use with TLS only',
    received: 'redis://, which has none',
    action: 'Give the queue an address that begins with rediss://.',
  });
}

/** What the client is told. It tries for ever once it has been connected, and does not try twice before that. */
async function clientOptions(
  { isSecure, ...address }: Address,
  options: QueueOptions,
  wasReady: () => boolean,
): Promise<RedisOptions> {
  const tls = await tlsOptions(isSecure, options);
  return {
    ...address,
    password: options.password ?? address.password,
    ...(tls && { tls }),
    lazyConnect: true,
    // a command waits until the server is there again
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (wasReady() ? Math.min(100 * 2 ** times, 5000) : null),
  };
}

/** The client's errors hold its commands, and so the password: only their words are passed on. */
function explained(place: string, error: (Error & { readonly code?: string }) | undefined): Error {
  const words = (error?.message || error?.code || 'the connection was closed').replace(/\.$/, '');
  const isRefused = /WRONGPASS|NOAUTH|NOPERM|invalid password|AUTH/.test(words);
  return benchmarkError(isRefused ? 'ERR_QUEUE_AUTHENTICATION' : 'ERR_QUEUE_UNREACHABLE', {
    wrong: isRefused ? `the queue at ${place} refuses user and password` : `there is no queue at ${place}`,
    received: words,
    action: isRefused
      ? 'Check user and password of --queue or VRADAM_QUEUE, or VRADAM_QUEUE_PASSWORD.'
      : 'Check that Redis or Valkey runs there, with TLS for rediss://, and that it can be reached from here.',
  });
}

/** A line of what `INFO` answers. */
const infoOf = (info: string, name: string): string | undefined =>
  info
    .split('\r\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1);

/** Refuses a server that is too old, and warns of one that may lose trials. */
function judge(place: string, info: string, say: (text: string) => void): void {
  const version = infoOf(info, 'redis_version') ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    throw benchmarkError('ERR_UNSUPPORTED', {
      wrong: `the queue at ${place} must be Redis 6.2, Valkey, or later`,
      received: version,
      action: 'Use another server.',
    });
  }
  const policy = infoOf(info, 'maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    say(
      `Warning: the queue at ${place} has maxmemory-policy ${policy}, and may throw trials away. Set it to noeviction.`,
    );
  }
  if (infoOf(info, 'aof_enabled') === '0') {
    say(
      `Warning: the queue at ${place} has no append-only file, and forgets trials when it ends. Set appendonly to yes.`,
    );
  }
}

/** Says when the server is lost, and when it is back. */
function watch(redis: Redis, place: string, isClosed: () => boolean, say: (text: string) => void): void {
  let isLost = false;
  redis.on('close', () => {
    if (isLost || isClosed()) return;
    isLost = true;
    say(`The queue at ${place} is not there any more; waiting for it.`);
  });
  redis.on('ready', () => {
    if (isLost) say(`The queue at ${place} is there again.`);
    isLost = false;
  });
}

/**
 * Connects to the server of a queue.
 *
 * @param say - told of warnings, and of connections that are lost and found again.
 * @throws VRAdamError `ERR_OPTION_RANGE`, `ERR_FILE_SYSTEM`, `ERR_QUEUE_UNREACHABLE`, `ERR_QUEUE_AUTHENTICATION`,
 *   `ERR_UNSUPPORTED`.
 */
export async function connect(options: QueueOptions, say: (text: string) => void): Promise<Connection> {
  const address = parse(options.url);
  const place = `${address.host}:${address.port}`;
  const state = { wasReady: false, isClosed: false };
  const settings = await clientOptions(address, options, () => state.wasReady && !state.isClosed);
  let lastError: Error | undefined;
  const clients: Redis[] = [];
  const open = (): Redis => {
    const client = new Redis(settings);
    // without a listener the client would print it, with its commands
    client.on('error', (error: Error) => {
      lastError = error;
    });
    clients.push(client);
    return client;
  };
  const close = () => {
    state.isClosed = true;
    for (const client of clients) client.disconnect();
  };
  const redis = open();
  try {
    await redis.connect();
    if (lastError) throw lastError; // a database that is not there is no reason for the client to stop
    judge(place, await redis.info(), say);
  } catch (error) {
    close();
    if (error instanceof Error && error.name === 'VRAdamError') throw error;
    throw explained(place, lastError ?? (error as Error));
  }
  state.wasReady = true;
  watch(redis, place, () => state.isClosed, say);
  return { redis, prefix: options.prefix, place, duplicate: open, close };
}
