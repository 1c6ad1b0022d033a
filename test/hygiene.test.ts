/** What no reader should find in the repository. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { readText, root, sourcesOf, workspaces } from './workspaces.ts';

/** What is committed, or would be. */
function listFiles(): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const names = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0');
  return names.filter((name) => name !== '' && existsSync(join(root, name)));
}

const isText = (path: string): boolean =>
  statSync(join(root, path)).size < 4_000_000 && !readText(path).includes('\0');

const isCheckout = existsSync(join(root, '.git'));
const files = isCheckout ? listFiles().filter(isText) : [];
const skipElsewhere = ({ skip }: TestContext): void => skip(!isCheckout, 'this is no git checkout');

describe('committed files', () => {
  beforeEach(skipElsewhere);

  /** Lines that match, each with its place. */
  const linesWith = (pattern: RegExp, among: readonly string[]): string[] =>
    among.flatMap((path) =>
      readText(path)
        .split('\n')
        .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 100)}`] : [])),
    );

  test('are found', () => {
    expect(files.length).toBeGreaterThan(100);
    for (const path of ['package-lock.json', 'packages/core/src/vradam.ts', 'test/hygiene.test.ts']) {
      expect(files).toContain(path);
    }
  });

  test('name no place on the machine of whoever wrote them', () => {
    const place = /(?<![\w.~}-])\/(?:tmp|work|root|home\/\w+|Users\/\w+)\/|\b[A-Z]:\\Users\\/;
    expect(['', 'home', 'me', 'x'].join('/')).toMatch(place);
    expect(linesWith(place, files)).toEqual([]);
  });

  test('hold no test that keeps others from running', () => {
    const only = /\b(?:describe|suite|test|it)(?:\.\w+)*\.only\b/;
    expect(['test', 'concurrent', 'only'].join('.')).toMatch(only);
    const tests = files.filter((path) => /\.test\.ts$/.test(path));
    expect(tests.length).toBeGreaterThan(10);
    expect(linesWith(only, tests)).toEqual([]);
  });
});

describe('the lock', () => {
  type Entry = { readonly version?: string; readonly resolved?: string; readonly link?: boolean };
  const { packages } = JSON.parse(readText('package-lock.json')) as { packages: Record<string, Entry> };

  test('holds packages', () => expect(Object.keys(packages).length).toBeGreaterThan(100));

  test('names no registry: it installs from whichever the user has', () => {
    const elsewhere = Object.entries(packages).filter(([, { link, resolved }]) => resolved && !link);
    expect(elsewhere).toEqual([]);
    expect(readText('package-lock.json')).not.toMatch(/registry|127\.0\.0\.1|localhost/);
  });

  test('gives a version to each: an entry without one stops `npm ci` on some releases of npm', () => {
    const installed = Object.entries(packages).filter(([path, { link }]) => path !== '' && !link);
    expect(installed.filter(([, { version }]) => version === undefined)).toEqual([]);
  });

  test('has every workspace', () => {
    expect(Object.keys(packages)).toEqual(expect.arrayContaining(workspaces.map(({ folder }) => folder)));
  });
});

describe('.npmrc', () => {
  const lines = readText('.npmrc').split('\n');

  test('keeps onnxruntime-node from downloading libraries for GPUs at install', () => {
    expect(lines).toContain('onnxruntime-node-install=skip');
  });

  test('names no registry and no token', () => {
    expect(lines.filter((line) => /registry\s*=|_auth/i.test(line))).toEqual([]);
  });
});

describe('workflows', () => {
  const names = readdirSync(join(root, '.github/workflows'));
  const uses = names.flatMap((name) =>
    readText(`.github/workflows/${name}`)
      .split('\n')
      .filter((line) => /\buses:/.test(line)),
  );

  test('take actions by commit, with the version beside it: a tag can be moved', () => {
    expect(uses.length).toBeGreaterThan(5);
    expect(uses.filter((line) => !/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual(
      [],
    );
  });

  test('run everything that a change must pass', () => {
    expect(readText('.github/workflows/ci.yml')).toContain('run: bash .ci/run');
    expect(readText('.github/workflows/release.yml')).toContain('publish: npm run release');
  });
});

describe('source files', () => {
  beforeEach(skipElsewhere);

  /** All code but tests, which are lists of claims: packages, apps, scripts, benches, the docs' own. */
  const sources = files.filter((path) => /\.(ts|js|mjs)$/.test(path) && !/(^|\/)test\//.test(path));
  const lengthOf = (text: string): number => text.trimEnd().split('\n').length;

  test('are found: of packages, apps, scripts and docs', () => {
    expect(sources).toEqual(
      expect.arrayContaining(workspaces.flatMap(sourcesOf).filter((p) => files.includes(p))),
    );
    for (const folder of ['packages/core/src/', 'apps/benchmarks/src/', 'scripts/', 'docs/']) {
      expect(
        sources.filter((path) => path.startsWith(folder)),
        folder,
      ).not.toHaveLength(0);
    }
  });

  test('over 300 lines give a reason: a comment with "over 300 lines"', () => {
    const long = sources.filter((path) => lengthOf(readText(path)) > 300);
    expect(long.filter((path) => !/over 300 lines/i.test(readText(path)))).toEqual([]);
  });

  const bodyOf = (node: ts.Node): ts.Node | undefined =>
    ts.isFunctionLike(node) && 'body' in node ? (node.body as ts.Node | undefined) : undefined;

  /** Lines of a body between its braces, without those of the functions inside it. */
  function ownLines(body: ts.Node, file: ts.SourceFile): number {
    let lines = lengthOf(body.getText(file)) - 2;
    const visit = (node: ts.Node): void => {
      const inner = bodyOf(node);
      if (inner) lines -= Math.max(0, lengthOf(inner.getText(file)) - 2);
      else ts.forEachChild(node, visit);
    };
    ts.forEachChild(body, visit);
    return lines;
  }

  /** The whole statement, with the comment above it, of `const f = () => ...`; any other function itself. */
  const statementOf = (node: ts.Node): ts.Node =>
    ts.isVariableDeclaration(node.parent) ? node.parent.parent.parent : node;

  /** Functions of more than 40 lines, but for those with a comment "over 40 lines" in or above them. */
  function longFunctions(path: string): string[] {
    const file = ts.createSourceFile(path, readText(path), ts.ScriptTarget.Latest, true);
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      const body = bodyOf(node);
      const lines = body ? ownLines(body, file) : 0;
      if (lines > 40 && !/over 40 lines/i.test(statementOf(node).getFullText(file))) {
        found.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1} (${lines})`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
    return found;
  }

  /** Exports without a comment of their own. */
  function undocumented(path: string): string[] {
    const file = ts.createSourceFile(path, readText(path), ts.ScriptTarget.Latest, true);
    const isExported = (node: ts.Statement): boolean =>
      ts.canHaveModifiers(node) &&
      ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
    return file.statements
      .filter((node) => isExported(node) && ts.getJSDocCommentsAndTags(node).length === 0)
      .map((node) => `${path}: ${node.getText(file).split('\n')[0]}`);
  }

  test('say what each export is, in packages and in apps', () => {
    const modules = sources.filter((path) => /\/src\/.*\.ts$/.test(path));
    expect(modules.length).toBeGreaterThan(300);
    expect(modules.flatMap(undocumented)).toEqual([]);
  });

  test('have no function over 40 lines without a reason: a comment with "over 40 lines"', () => {
    expect(sources.flatMap(longFunctions)).toEqual([]);
  });
});
