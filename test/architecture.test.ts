/** The tree keeps its shape: app -> adapter -> library -> core, conformance -> core, core -> nothing. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import {
  type Role,
  readText,
  root,
  rootManifest,
  sourcesOf,
  type Workspace,
  workspaces,
} from './workspaces.ts';

type Dependencies = Readonly<Record<string, string>>;

/** Whom a role may need at run time. */
const inward: Readonly<Record<Role, readonly Role[]>> = {
  core: [],
  conformance: ['core'],
  library: ['core'],
  adapter: ['core', 'library'],
  app: ['core', 'conformance', 'library', 'adapter'],
};

/** Whom its tests may need besides. */
const inTests: Readonly<Record<Role, readonly Role[]>> = {
  ...inward,
  library: ['core', 'conformance'],
  adapter: ['core', 'library', 'conformance'],
};

/** What an adapter takes from others, where a well-kept library beats our code. */
const borrowed: Readonly<Record<string, readonly string[]>> = {
  // the checkpoint format of onnxruntime 1.19.2; random numbers for Dropout
  '@vradam/onnxruntime': ['flatbuffers', 'pure-rand'],
};

/** Libraries that a user already has, in the version that suits them. */
const isFramework = (name: string): boolean =>
  /^(@tensorflow\/|onnxruntime-|@xenova\/transformers$|@huggingface\/transformers$)/.test(name);

const byName = new Map(workspaces.map((workspace) => [workspace.manifest.name, workspace]));
const withRole = (role: Role): Workspace[] => workspaces.filter((workspace) => workspace.role === role);
const everyWorkspace = workspaces.map((workspace) => [workspace.manifest.name, workspace] as const);
const everyAdapter = withRole('adapter').map((workspace) => [workspace.manifest.name, workspace] as const);

const ours = (dependencies: Dependencies = {}): string[] =>
  Object.keys(dependencies).filter((name) => byName.has(name) || name.startsWith('@vradam/'));

/** What is needed where the package is installed. */
const atRunTime = ({ manifest }: Workspace): Dependencies => ({
  ...manifest.dependencies,
  ...manifest.optionalDependencies,
  ...manifest.peerDependencies,
});

/** Specifiers a source file imports or re-exports, types included. */
const importsOf = (path: string): string[] =>
  ts.preProcessFile(readText(path)).importedFiles.map(({ fileName }) => fileName);

const isRelative = (specifier: string): boolean => specifier.startsWith('.');

/** `@scope/name/part` -> `@scope/name`. */
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

/** Files that import something not allowed, each with what it imports. */
function strayImports(workspace: Workspace, isAllowed: (specifier: string) => boolean): string[] {
  return sourcesOf(workspace).flatMap((path) =>
    importsOf(path)
      .filter((specifier) => !isRelative(specifier) && !isAllowed(specifier))
      .map((specifier) => `${path} imports ${specifier}`),
  );
}

test('there are a core, a conformance suite, an adapter and an app to look at', () => {
  for (const role of ['core', 'conformance', 'library', 'adapter', 'app'] as const) {
    expect(withRole(role), role).not.toHaveLength(0);
  }
  for (const workspace of workspaces) expect(sourcesOf(workspace), workspace.folder).not.toHaveLength(0);
  expect(importsOf('packages/core/src/index.ts')).toContain('./vradam.ts');
});

describe('dependencies point inward', () => {
  test.each(everyWorkspace)('%s needs only what lies further in', (_, workspace) => {
    const roles = ours(atRunTime(workspace)).map((name) => byName.get(name)?.role);
    expect(inward[workspace.role]).toEqual(expect.arrayContaining(roles));
  });

  test.each(everyWorkspace)('the tests of %s, too', (_, workspace) => {
    const roles = ours(workspace.manifest.devDependencies).map((name) => byName.get(name)?.role);
    expect(inTests[workspace.role]).toEqual(expect.arrayContaining(roles));
  });

  test('the core needs nothing at all', () => {
    for (const core of withRole('core')) expect(atRunTime(core)).toEqual({});
  });

  test.each(everyAdapter)('%s needs our packages, and leaves its framework to the user', (_, adapter) => {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = adapter.manifest;
    const needed = Object.keys({ ...dependencies, ...optionalDependencies });
    const own = needed.filter((name) => !borrowed[adapter.manifest.name]?.includes(name));
    expect(own).toEqual(ours(dependencies));
    expect(Object.keys(peerDependencies).filter((name) => !isFramework(name))).toEqual([]);
  });

  test.each(everyAdapter)('%s is tested with the frameworks it leaves to the user', (_, adapter) => {
    const { devDependencies, peerDependencies } = adapter.manifest;
    expect(Object.keys(devDependencies ?? {})).toEqual(
      expect.arrayContaining(Object.keys(peerDependencies ?? {})),
    );
  });
});

describe('versions', () => {
  const all = [
    ['the root', rootManifest] as const,
    ...workspaces.map((w) => [w.folder, w.manifest] as const),
  ];

  test.each(all)('%s pins what is not ours exactly', (_, manifest) => {
    const pinned = {
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.devDependencies,
    };
    const loose = Object.entries(pinned).filter(
      ([name, range]) => !byName.has(name) && !/^(npm:[\w@/-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(range),
    );
    expect(loose).toEqual([]);
  });

  test.each(all)('%s asks for our packages as they are here', (_, manifest) => {
    for (const name of ours(manifest.dependencies)) {
      expect(manifest.dependencies?.[name], name).toBe(`^${byName.get(name)?.manifest.version}`);
    }
  });
});

describe('imports', () => {
  test('no file of the core imports anything from outside', () => {
    for (const core of withRole('core')) expect(strayImports(core, () => false)).toEqual([]);
  });

  test.each(everyAdapter)('%s imports what it declares and its framework, nothing else', (_, adapter) => {
    const { dependencies, peerDependencies } = adapter.manifest;
    const declared = Object.keys({ ...dependencies, ...peerDependencies });
    expect(strayImports(adapter, (specifier) => declared.includes(packageOf(specifier)))).toEqual([]);
  });

  test.each(everyWorkspace)('%s imports only what it declares', (_, workspace) => {
    const declared = Object.keys(atRunTime(workspace));
    const isAllowed = (specifier: string) =>
      specifier.startsWith('node:') || declared.includes(packageOf(specifier));
    expect(strayImports(workspace, isAllowed)).toEqual([]);
  });

  test.each(everyWorkspace)('no relative import leaves the src of %s', (_, workspace) => {
    const src = join(workspace.folder, 'src');
    const outside = sourcesOf(workspace).flatMap((path) =>
      importsOf(path)
        .filter((specifier) => isRelative(specifier) && !join(dirname(path), specifier).startsWith(`${src}/`))
        .map((specifier) => `${path} imports ${specifier}`),
    );
    expect(outside).toEqual([]);
  });

  test('what runs in a browser imports nothing of Node', () => {
    const packages = workspaces.filter(({ role }) => role !== 'app');
    const strays = packages.flatMap((workspace) =>
      strayImports(workspace, (specifier) => !specifier.startsWith('node:')),
    );
    // files on disk and the command line, which no other module imports
    const isForNode = (stray: string) => /^packages\/conformance\/src\/(node|cli)\.ts /.test(stray);
    expect(strays.filter((stray) => !isForNode(stray))).toEqual([]);
  });
});

describe('the same file names for the same role', () => {
  test.each(everyAdapter)('%s has operations, an optimizer and an index', (_, { folder }) => {
    const names = ['ops.ts', 'optimizer.ts', 'index.ts'];
    expect(names.filter((name) => !existsSync(join(root, folder, 'src', name)))).toEqual([]);
  });

  const packages = workspaces.filter(({ role }) => role !== 'app');
  const indexes = packages.flatMap(sourcesOf).filter((path) => path.endsWith('/index.ts'));

  test('every package has an index', () => expect(indexes.length).toBeGreaterThanOrEqual(packages.length));

  test.each(indexes)('%s holds exports only', (path) => {
    const { statements } = ts.createSourceFile(path, readText(path), ts.ScriptTarget.Latest);
    const other = statements.filter((s) => !(ts.isExportDeclaration(s) && s.moduleSpecifier));
    expect(other.map((s) => readText(path).slice(s.pos, s.end).trim().split('\n')[0])).toEqual([]);
  });
});
