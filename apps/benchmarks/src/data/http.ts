import { benchmarkError } from '../errors.ts';

const mostRedirects = 5;

/** A request for the rest of a file. */
export interface FileRequest {
  /** Http or https address. */
  readonly url: string;
  /** How many bytes are already here; the rest is asked for. */
  readonly offset: number;
  /** Ends the request. */
  readonly signal: AbortSignal;
}

/** A server's answer to a {@link FileRequest}, checked. */
export interface FileResponse {
  /** The bytes, as they come. */
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Where the bytes belong: the offset asked for, or 0 from a server that always sends the whole file. */
  readonly offset: number;
  /** Size of the whole file in bytes, if the server tells. */
  readonly total: number | undefined;
}

/**
 * Asks for a file or the rest of it, follows redirects, and checks the answer's head.
 *
 * @returns the bytes to come, or `undefined` if the server has nothing beyond the offset.
 * @throws VRAdamError ERR_NETWORK for an answer that may be better the next time, ERR_HTTP for one that will
 *   not. Errors of `fetch` itself are passed on.
 */
export async function requestFile(request: FileRequest): Promise<FileResponse | undefined> {
  const response = await followRedirects(request);
  if (response.status === 416) return undefined;
  checkHead(response, request.url);
  const body = response.body ?? [];
  if (response.status === 206) return { body, ...readRange(response, request) };
  const length = response.headers.get('content-length');
  return { body, offset: 0, total: length === null ? undefined : Number(length) };
}

async function followRedirects({ url, offset, signal }: FileRequest): Promise<Response> {
  // Without this a server may compress the answer on the way, and its length and hash mean nothing.
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (offset > 0) headers['range'] = `bytes=${offset}-`;
  let address = parseAddress(url);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await fetch(address, { headers, signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    await response.body?.cancel();
    address = parseAddress(location, address.href);
  }
  throw httpError(`${url} must not redirect more than ${mostRedirects} times`, address);
}

function parseAddress(text: string, base?: string): URL {
  const address = URL.canParse(text, base) ? new URL(text, base) : undefined;
  if (address?.protocol === 'http:' || address?.protocol === 'https:') return address;
  throw httpError('a download address must be http or https', text);
}

function checkHead({ status, headers }: Response, url: string): void {
  if (status >= 500 || status === 408 || status === 425 || status === 429) {
    throw benchmarkError('ERR_NETWORK', {
      wrong: `${url} is not ready`,
      received: status,
      action: 'Try later.',
    });
  }
  if (status !== 200 && status !== 206) throw httpError(`${url} has no file to send`, status);
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') throw httpError(`${url} must send plain bytes`, encoding);
}

function readRange(response: Response, request: FileRequest): Pick<FileResponse, 'offset' | 'total'> {
  const range = response.headers.get('content-range') ?? '';
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range) ?? [];
  if (Number(start) === request.offset) {
    return { offset: request.offset, total: total === '*' ? undefined : Number(total) };
  }
  throw httpError(`${request.url} must send the file from byte ${request.offset}`, range);
}

function httpError(wrong: string, received: unknown): Error {
  return benchmarkError('ERR_HTTP', { wrong, received, action: 'Use another address.' });
}
