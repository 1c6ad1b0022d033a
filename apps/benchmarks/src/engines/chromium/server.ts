/** The page's server: on loopback, for one page, with all that it loads. */

import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { bundlePage } from './bundle.ts';

/** onnxruntime-web's own files, which are not bundled. */
const onnxruntimeFolder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));

const page = `<!doctype html>
<title>vradam-bench</title>
<script type="importmap">
{ "imports": { "onnxruntime-web/webgpu": "./onnxruntime-web/ort.webgpu.bundle.min.mjs" } }
</script>
<script type="module" src="./main.js"></script>
`;

const headers = {
  // nothing is loaded from elsewhere
  'Content-Security-Policy': "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
  'Cache-Control': 'no-store',
};

const types: Readonly<Record<string, string>> = { wasm: 'application/wasm', html: 'text/html' };
const typeOf = (name: string): string => types[name.split('.').at(-1) ?? ''] ?? 'text/javascript';

/** A server with a mailbox: the page fetches a request and posts its answer at the same address. */
export class PageServer {
  readonly #files: ReadonlyMap<string, string>;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });
  // no other program can ask for what lies here, or answer in the page's place
  readonly #folder = `/${randomUUID()}/`;
  readonly #requests = new Map<string, Uint8Array>();
  readonly #answers = new Map<string, Uint8Array>();
  #sent = 0;

  private constructor(files: ReadonlyMap<string, string>) {
    this.#files = files;
  }

  /** Bundles the page and starts to serve it. */
  static async open(): Promise<PageServer> {
    const server = new PageServer(new Map([...(await bundlePage()), ['', page]]));
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  /** Address of the page. */
  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}${this.#folder}`;
  }

  /** Lays out a request. @returns where the page finds it, and posts the answer. */
  put(request: Uint8Array): string {
    const name = `messages/${this.#sent++}`;
    this.#requests.set(name, request);
    return name;
  }

  /** Takes the answer that was posted. */
  take(name: string): Uint8Array {
    const answer = this.#answers.get(name);
    this.#answers.delete(name);
    if (!answer) throw new Error('the page did not answer');
    return answer;
  }

  /** Stops serving. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', method } = request;
    const name = url.startsWith(this.#folder) ? url.slice(this.#folder.length) : undefined;
    if (name === undefined) return void response.writeHead(404).end();
    if (method === 'POST') {
      this.#answers.set(name, await buffer(request));
      return void response.end();
    }
    const message = this.#requests.get(name);
    this.#requests.delete(name);
    if (message) return void response.end(message);
    this.#serveFile(name, response);
  }

  #serveFile(name: string, response: ServerResponse): void {
    const file = this.#files.get(name);
    const [, own] = /^onnxruntime-web\/([\w.-]+)$/.exec(name) ?? [];
    if (file === undefined && own === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { ...headers, 'Content-Type': typeOf(name || 'page.html') });
    if (file !== undefined) return void response.end(file);
    createReadStream(join(onnxruntimeFolder, own as string))
      .on('error', () => response.destroy())
      .pipe(response);
  }
}
