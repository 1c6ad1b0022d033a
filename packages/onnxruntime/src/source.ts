/** Where models come from: bytes, a path, a URL, a graph. */

import {
  buildModel,
  decodeModel,
  type ExternalData,
  GraphBuilder,
  type Model,
} from '@vradam/onnx-autodiff/lazy';
import { fail, show } from './errors.ts';

/** A model: its bytes, a path or URL of them, a decoded model, or a graph written with a GraphBuilder. */
export type ModelSource = Uint8Array | string | URL | Model | GraphBuilder;

interface NodeProcess {
  readonly versions?: { readonly node?: string };
  getBuiltinModule?(name: string): unknown;
}
interface FileSystem {
  readFileSync(path: string | URL): Uint8Array;
}
interface Paths {
  dirname(path: string): string;
  join(...parts: string[]): string;
}
declare const process: NodeProcess | undefined;
declare const fetch: (url: string | URL) => Promise<{
  readonly ok: boolean;
  readonly status: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}>;

/** A module of Node, if this is Node. Nothing of Node is imported, so that bundlers have nothing to leave out. */
function builtin<T>(name: string): T | undefined {
  return typeof process === 'undefined' ? undefined : (process.getBuiltinModule?.(name) as T | undefined);
}

const isUrl = (source: string | URL): boolean => source instanceof URL || /^(https?|data|blob):/.test(source);

async function download(url: string | URL): Promise<Uint8Array> {
  const response = await fetch(url).catch((cause) =>
    fail(
      'ERR_FILE_FORMAT',
      `the model could not be fetched. Received: ${url} (${(cause as Error).message}).`,
      cause,
    ),
  );
  if (!response.ok)
    fail(
      'ERR_FILE_FORMAT',
      `the model could not be fetched. Received: status ${response.status} for ${url}.`,
    );
  return new Uint8Array(await response.arrayBuffer());
}

/** Bytes of a file, and a reader for files beside it. */
async function readSource(source: string | URL): Promise<{ bytes: Uint8Array; beside?: ExternalData }> {
  const files = builtin<FileSystem>('node:fs');
  const onDisk = !isUrl(source) || (source instanceof URL && source.protocol === 'file:');
  if (!onDisk || !files) return { bytes: await download(source) };
  try {
    const paths = builtin<Paths>('node:path') as Paths;
    const path = source instanceof URL ? decodeURIComponent(source.pathname) : source;
    return {
      bytes: files.readFileSync(path),
      beside: (location) => files.readFileSync(paths.join(paths.dirname(path), location)),
    };
  } catch (cause) {
    return fail(
      'ERR_FILE_FORMAT',
      `the model could not be read. Received: ${show(String(source))} (${(cause as Error).message}).`,
      cause,
    );
  }
}

const isModel = (source: object): source is Model => 'initializers' in source && 'nodes' in source;

/**
 * Reads a model.
 *
 * @param externalData - files beside it; found by themselves where the model is a path in Node.
 * @throws VRAdamError `ERR_FILE_FORMAT`, `ERR_OPTION_TYPE`.
 */
export async function readModel(source: ModelSource, externalData?: ExternalData): Promise<Model> {
  if (source instanceof GraphBuilder) return buildModel(source);
  if (source instanceof Uint8Array) return decodeModel(source, externalData ? { externalData } : {});
  if (typeof source === 'string' || source instanceof URL) {
    const { bytes, beside } = await readSource(source);
    const found = externalData ?? beside;
    return decodeModel(bytes, found ? { externalData: found } : {});
  }
  if (typeof source === 'object' && source !== null && isModel(source)) return source;
  return fail(
    'ERR_OPTION_TYPE',
    `model must be bytes, a path, a URL, a model or a GraphBuilder. Received: ${typeof source}.`,
  );
}

declare class URL {
  readonly protocol: string;
  readonly pathname: string;
}
