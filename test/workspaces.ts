/** The repository as data: its workspaces, their package.json and their source files. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the repository, without a closing slash. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** The fields of a package.json that have rules. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** What a workspace is to the others. */
export type Role = 'core' | 'conformance' | 'library' | 'adapter' | 'app';

/** A package or an app. */
export interface Workspace {
  /** Path from the root, e.g. `packages/core`. */
  readonly folder: string;
  readonly role: Role;
  readonly manifest: Manifest;
}

/** Reads a file, by its path from the root. */
export const readText = (path: string): string => readFileSync(join(root, path), 'utf8');

const readManifest = (folder: string): Manifest => JSON.parse(readText(join(folder, 'package.json')));

function roleOf(folder: string): Role {
  if (folder.startsWith('apps/')) return 'app';
  if (folder === 'packages/core') return 'core';
  // these bind no framework, and serve adapters that do
  if (/^packages\/(onnx-autodiff|wasm)$/.test(folder)) return 'library';
  return folder === 'packages/conformance' ? 'conformance' : 'adapter';
}

/** All packages and apps. */
export const workspaces: readonly Workspace[] = ['packages', 'apps']
  .flatMap((parent) => readdirSync(join(root, parent)).map((name) => `${parent}/${name}`))
  .filter((folder) => existsSync(join(root, folder, 'package.json')))
  .map((folder) => ({ folder, role: roleOf(folder), manifest: readManifest(folder) }));

/** The root's package.json. */
export const rootManifest: Manifest = readManifest('.');

/** TypeScript files in `src` of a workspace, by their paths from the root. */
export const sourcesOf = ({ folder }: Workspace): string[] =>
  readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `${folder}/src/${path}`);
