import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VRAdamError } from '@vradam/core';
import { benchmarkError, checkInteger, fileSystemError, isFileSystemError } from '../errors.ts';
import { hashFile, isGenuine } from './checksum.ts';
import { type FileResponse, requestFile } from './http.ts';
import type { SourceFile } from './sources.ts';

/** How far a download has come. */
export interface Progress {
  /** Name of the file. */
  readonly file: string;
  /** Bytes on the disk. */
  readonly received: number;
  /** Bytes of the whole file. */
  readonly total: number;
}

/** How patient to be, whom to tell, and who may end it. */
export interface DownloadOptions {
  /** Called after each piece that arrives. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the download; what has arrived stays for the next time. */
  readonly signal?: AbortSignal;
  /** How often to try each address while the network fails. 1 to 100, default 4. */
  readonly attempts?: number;
  /**
   * Pause before the second attempt in milliseconds; doubled before each further one. Up to a minute,
   * default 500.
   */
  readonly backoffMs?: number;
  /** Longest silence of a server in milliseconds. Up to an hour, default 30,000. */
  readonly idleTimeoutMs?: number;
}

type Settings = Required<DownloadOptions>;

/** One file on its way: from where, under which temporary name. */
interface Transfer {
  readonly source: SourceFile;
  readonly url: string;
  readonly part: string;
  readonly settings: Settings;
}

/**
 * Brings a published file into a folder. The bytes gather in `NAME.part`, which a later call continues; only
 * a file whose checksum is right gets its name. A file that is there already and genuine is left alone.
 *
 * @param source - what to download, from where.
 * @param directory - an existing folder.
 * @param options - progress, patience, cancellation.
 * @returns the file's path.
 * @throws VRAdamError ERR_CHECKSUM if an address had other bytes and none had the right ones; else what the
 *   last address failed with: ERR_NETWORK (no connection, truncated, silent, 5xx) or ERR_HTTP (no such file,
 *   wrong size, bad redirect). ERR_ABORTED after the signal, ERR_FILE_SYSTEM if the folder cannot be
 *   written, ERR_OPTION_RANGE for an option out of its range.
 */
export async function downloadFile(
  source: SourceFile,
  directory: string,
  options: DownloadOptions = {},
): Promise<string> {
  const path = join(directory, source.name);
  const settings = withDefaults(options);
  if (await isPresent(path, source)) return path;
  const failures: VRAdamError[] = [];
  for (const url of source.urls) {
    const failure = await tryAddress({ source, url, part: `${path}.part`, settings }, path);
    if (failure === undefined) return path;
    failures.push(failure);
  }
  throw summarize(source, failures);
}

async function isPresent(path: string, source: SourceFile): Promise<boolean> {
  try {
    return (await sizeOf(path)) !== undefined && (await isGenuine(path, source));
  } catch (error) {
    throw fileSystemError(path, error);
  }
}

function withDefaults(options: DownloadOptions): Settings {
  const settings = {
    onProgress: () => {},
    signal: new AbortController().signal,
    attempts: 4,
    backoffMs: 500,
    idleTimeoutMs: 30_000,
    ...options,
  };
  checkInteger('attempts', settings.attempts, 1, 100);
  checkInteger('backoffMs', settings.backoffMs, 0, 60_000);
  checkInteger('idleTimeoutMs', settings.idleTimeoutMs, 1, 3_600_000);
  return settings;
}

/** Gives the failure of the last attempt, or nothing when the file is in place. */
async function tryAddress(transfer: Transfer, path: string): Promise<VRAdamError | undefined> {
  const { attempts, backoffMs, signal } = transfer.settings;
  let failure: VRAdamError | undefined;
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      if (attempt > 0) await sleep(backoffMs * 2 ** (attempt - 1), undefined, { signal });
      await receive(transfer);
      await rename(transfer.part, path);
      return undefined;
    } catch (error) {
      failure = explain(error, transfer);
      if (failure.code === 'ERR_ABORTED' || failure.code === 'ERR_FILE_SYSTEM') throw failure;
      if (failure.code !== 'ERR_NETWORK') return failure;
    }
  }
  return failure;
}

/** Completes `NAME.part` and verifies it. */
async function receive(transfer: Transfer): Promise<void> {
  const { source, part, url } = transfer;
  const size = (await sizeOf(part)) ?? 0;
  const offset = size > source.bytes ? 0 : size;
  const kept = offset === source.bytes ? offset : await receiveRest(transfer, offset);
  if (await isGenuine(part, source)) return;
  const received = await hashFile(part);
  await rm(part);
  // What was kept may have been the start of another file: only a whole download convicts the address.
  if (kept > 0) return receive(transfer);
  throw benchmarkError('ERR_CHECKSUM', {
    wrong: `${source.name} from ${url} must have sha256 ${source.sha256}`,
    received,
    action: 'Use another address: this one offers other bytes.',
  });
}

/** Gives where the server began to send: `offset`, or 0 if it knows only whole files. */
async function receiveRest(transfer: Transfer, offset: number): Promise<number> {
  const { url, part, settings } = transfer;
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), settings.idleTimeoutMs);
  const signal = AbortSignal.any([settings.signal, silence.signal]);
  try {
    const response = await requestFile({ url, offset, signal });
    if (response === undefined) {
      await rm(part);
      throw networkError(`${url} has nothing beyond byte ${offset}`, 'status 416');
    }
    checkTotal(transfer, response.total);
    await store(transfer, response, () => timer.refresh());
    return response.offset;
  } catch (error) {
    if (!silence.signal.aborted) throw error;
    throw networkError(`${url} sent nothing for ${settings.idleTimeoutMs} ms`, 'silence', error);
  } finally {
    clearTimeout(timer);
  }
}

function checkTotal({ source, url }: Transfer, total: number | undefined): void {
  if (total === undefined || total === source.bytes) return;
  if (source.content === undefined || total > largestSize(source)) throw wrongSize(source, url, total);
}

async function store(transfer: Transfer, response: FileResponse, onPiece: () => void): Promise<void> {
  const { source, part, settings } = transfer;
  const total = response.total ?? source.bytes;
  let received = response.offset;
  const file = await open(part, received > 0 ? 'a' : 'w');
  try {
    for await (const piece of response.body) {
      onPiece();
      received += piece.length;
      if (received > largestSize(source)) throw wrongSize(source, transfer.url, received);
      await file.writeFile(piece);
      settings.onProgress({ file: source.name, received, total });
    }
  } finally {
    await file.close();
  }
  if (received < total) throw networkError(`${transfer.url} must send ${total} bytes`, received);
}

/** A copy that was compressed anew has another size, but not by much. */
function largestSize({ bytes, content }: SourceFile): number {
  return content === undefined ? bytes : Math.ceil(1.1 * bytes);
}

function explain(error: unknown, { part, url, settings }: Transfer): VRAdamError {
  if (error instanceof VRAdamError) return error;
  if (settings.signal.aborted) {
    const action = 'Call again to continue where it stopped.';
    return benchmarkError('ERR_ABORTED', {
      wrong: `${url}: the download was ended`,
      received: 'abort',
      action,
      cause: error,
    });
  }
  if (isFileSystemError(error)) return fileSystemError(part, error);
  const reason = error instanceof Error ? (error.cause ?? error) : error;
  return networkError(`${url}: the connection failed`, reason, error);
}

function summarize({ name, urls }: SourceFile, failures: VRAdamError[]): VRAdamError {
  const failure = failures.find(({ code }) => code === 'ERR_CHECKSUM') ?? failures.at(-1);
  if (failure !== undefined && urls.length === 1) return failure;
  return benchmarkError(failure?.code ?? 'ERR_OPTION_RANGE', {
    wrong: `${name} could not be downloaded from any of ${urls.length} addresses`,
    received: failures.map(({ message }) => message).join(' | '),
    action: 'Download it by hand, or name other addresses.',
    cause: new AggregateError(failures),
  });
}

function networkError(wrong: string, received: unknown, cause?: unknown): VRAdamError {
  return benchmarkError('ERR_NETWORK', { wrong, received, action: 'Try again later.', cause });
}

function wrongSize({ name, bytes }: SourceFile, url: string, received: number): VRAdamError {
  const action = 'Use another address: this one offers another file.';
  return benchmarkError('ERR_HTTP', {
    wrong: `${name} from ${url} must have ${bytes} bytes`,
    received,
    action,
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
