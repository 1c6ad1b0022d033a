import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * A local server with a script: for each path the answers to the first, second, ... request; the last
 * repeats.
 */
export interface ScriptedServer {
  /** `http://127.0.0.1:port` without a closing slash. */
  readonly origin: string;
  /** The requests so far: path and `Range` header. */
  readonly requests: { path: string; range: string | undefined }[];
  /** Ends all connections and stops listening. */
  readonly close: () => Promise<void>;
}

/** Starts a {@link ScriptedServer} on a free port of the loopback interface. */
export async function serve(script: Record<string, Answer[]>): Promise<ScriptedServer> {
  const requests: ScriptedServer['requests'] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const earlier = requests.filter((it) => it.path === path).length;
    requests.push({ path, range: request.headers.range });
    const answers = script[path] ?? [status(404)];
    const answer = answers[Math.min(earlier, answers.length - 1)];
    answer?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, requests, close: () => closeServer(server) };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** The whole file, whatever range is asked for. */
export function whole(bytes: Uint8Array, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length, ...headers });
    response.end(bytes);
  };
}

/** The range that is asked for, as a good server does. */
export function ranged(bytes: Uint8Array): Answer {
  return (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start === 0) return whole(bytes)(request, response);
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(206, { 'content-range': range, 'content-length': bytes.length - start });
    response.end(bytes.subarray(start));
  };
}

/** Promises the whole file, sends some bytes, and hangs up. */
export function truncated(bytes: Uint8Array, sent: number): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, sent));
    // Not at once: bytes that are still in the client's queue would be lost with the connection.
    void setTimeout(500).then(() => response.destroy());
  };
}

/** Promises the whole file, sends some bytes, and then nothing. */
export function stalled(bytes: Uint8Array, sent: number): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, sent));
  };
}

/** The whole file in ten pieces, with a pause before each. */
export function dripped(bytes: Uint8Array, pauseMs: number): Answer {
  return async (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    const size = Math.ceil(bytes.length / 10);
    for (let start = 0; start < bytes.length; start += size) {
      await setTimeout(pauseMs);
      response.write(bytes.subarray(start, start + size));
    }
    response.end();
  };
}

/** The file as a server sends it that compresses whatever its client allows. */
export function compressed(bytes: Uint8Array): Answer {
  return (request, response) => {
    if (request.headers['accept-encoding'] === 'identity') return whole(bytes)(request, response);
    whole(gzipSync(bytes), { 'content-encoding': 'gzip' })(request, response);
  };
}

/** The bytes in chunks, without saying how many there will be. */
export function chunked(bytes: Uint8Array): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'transfer-encoding': 'chunked' });
    response.end(bytes);
  };
}

/** A status without a body. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(code, headers);
    response.end();
  };
}

/** A redirect. */
export function redirect(location: string): Answer {
  return status(302, { location });
}
