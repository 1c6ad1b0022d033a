// Keeps the documentation true: type-checks and runs every example of every page, and follows every reference.
//
//   node docs/check-examples.mjs [part of a page's path ...]
//
// A ```ts or ```js block is an example, a module of its own; those of a page share a process. After the language may
// stand:
//   continued    goes on from the block before it on the page, in its module
//   file=NAME    is the file NAME, which the examples of the page may import; it does not run by itself
//   from=PATH    quotes PATH: its lines must stand there in this order, those apart from each other by `// ...`
//   no-run       is only parsed
// `// prints TEXT` at the end of a line claims that the output has this line, below those claimed before it.

import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = join(root, '.cache', `examples-${process.pid}`);
const processes = 2;
const timeout = 60_000;

const read = (path) => readFileSync(join(root, path), 'utf8');

function pages() {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true })
    .filter((path) => !/^(api|\.vitepress)\b/.test(path)) // made from the sources, and checked there
    .map((path) => `docs/${path}`);
  const ofPackages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`);
  return ['README.md', 'CONTRIBUTING.md', ...inDocs, ...ofPackages]
    .filter((path) => path.endsWith('.md') && existsSync(join(root, path)))
    .sort();
}

/** A page taken apart: its fenced blocks, and its lines outside of them. */
function parse(page) {
  const [blocks, prose] = [[], []];
  let open = null;
  for (const [i, line] of read(page).split('\n').entries()) {
    if (!line.startsWith('```')) (open?.lines ?? prose).push(line);
    else if (open) {
      blocks.push({ ...open, end: i + 1 });
      open = null;
    } else {
      const [language, ...flags] = line.slice(3).trim().split(/\s+/);
      open = { page, start: i + 1, language, flags, lines: [] };
    }
  }
  return { page, blocks, prose };
}

const flagValue = ({ flags }, key) =>
  flags.find((flag) => flag.startsWith(`${key}=`))?.slice(key.length + 1) ?? null;

/** The modules of a page: files, and examples with what continues them. */
function modulesOf({ page, blocks }) {
  const modules = [];
  for (const block of blocks.filter(({ language }) => /^[tj]s$/.test(language))) {
    const kind = block.flags.map((flag) => flag.split('=')[0]).find((flag) => flag !== 'continued') ?? 'run';
    if (block.flags.includes('continued'))
      modules.findLast((module) => module.kind === 'run').blocks.push(block);
    else modules.push({ page, kind, name: flagValue(block, 'file'), blocks: [block] });
  }
  return modules;
}

/** The text of a module, each line where it stands in the page; after each block it reports that it came so far. */
function sourceOf({ kind, blocks }) {
  const lines = [];
  for (const block of blocks) {
    while (lines.length < block.start) lines.push('');
    lines.push(...block.lines, kind === 'run' ? `process.send?.(${block.start});` : '');
  }
  return lines.join('\n');
}

const emit = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
};

/** Writes a module and its JavaScript; complains about syntax. */
function write(module) {
  const { page, kind, name, blocks } = module;
  const directory = join(scratch, page.replaceAll('/', '_'));
  const path = join(directory, name ?? `line${blocks[0].start}.${blocks[0].language}`);
  const source = sourceOf(module);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n');
  if (kind === 'run' || kind === 'file') writeFileSync(path, source);
  const { outputText, diagnostics } = ts.transpileModule(source, {
    fileName: path,
    reportDiagnostics: true,
    compilerOptions: emit,
  });
  const runnable = path.replace(/\.ts$/, '.js');
  if (runnable !== path) writeFileSync(runnable, outputText);
  return { ...module, directory, path, runnable, complaints: diagnostics.map(complaint) };
}

const complaint = ({ file, start, messageText }) => {
  const line = (file?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0) + 1;
  return { line, why: ts.flattenDiagnosticMessageText(messageText, ' ') };
};

/** Adds what the type checker finds in all modules at once. */
function typeCheck(modules) {
  const checked = modules.filter(
    ({ kind, path }) => kind !== 'no-run' && kind !== 'from' && path.endsWith('.ts'),
  );
  const options = {
    ...emit,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const program = ts.createProgram(
    checked.map(({ path }) => path),
    options,
  );
  for (const module of checked) {
    const found = program.getSemanticDiagnostics(program.getSourceFile(module.path));
    module.complaints.push(...found.map(complaint));
  }
}

/** What the process of a page does: it imports the modules one by one, and puts a form feed between their outputs. */
const runner = `
for (const path of process.argv.slice(2)) {
  await import(path).catch(({ stack }) => process.send({ path, stack }));
  console.log('\\f');
}
`;

/** Runs the modules of a page; gives their outputs, their errors, and the blocks that came to their end. */
function execute(modules) {
  const [{ directory }] = modules;
  const paths = modules.map(({ runnable }) => runnable);
  writeFileSync(join(directory, 'runner.js'), runner);
  return new Promise((done) => {
    const child = fork(join(directory, 'runner.js'), paths, { cwd: directory, silent: true, timeout });
    const [reached, errors] = [new Set(), new Map()];
    let [output, trouble] = ['', ''];
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (trouble += data));
    child.on('message', (message) =>
      typeof message === 'number' ? reached.add(message) : errors.set(message.path, message.stack),
    );
    child.on('close', (code) => {
      const exit = code === 0 ? null : `the page's process exited with ${code}. ${trouble.trim()}`;
      done({ reached, errors, exit, outputs: output.split('\f\n').map((text) => text.split('\n')) });
    });
  });
}

/** What is wrong with each block of a module that ran; null if nothing. */
function judge({ blocks, runnable }, output, { reached, errors, exit }) {
  let from = 0;
  return blocks.map((block) => {
    if (!reached.has(block.start)) return `it did not come to its end. ${errors.get(runnable) ?? exit}`;
    for (const [, claim] of block.lines.join('\n').matchAll(/\/\/ prints (.+)$/gm)) {
      const at = output.findIndex((line, i) => i >= from && line.trim() === claim.trim());
      if (at < 0) return `it did not print ${claim}. It printed: ${output.slice(from).join(' | ')}`;
      from = at + 1;
    }
    return exit;
  });
}

/** Whether a block's lines stand in the file they claim to quote. */
function checkQuote(block) {
  const path = flagValue(block, 'from');
  if (!existsSync(join(root, path))) return `${path} is not there`;
  const text = read(path);
  let from = 0;
  for (const part of block.lines.join('\n').split(/^\s*\/\/ \.\.\.$/m)) {
    const wanted = part.replace(/^\n|\n$/g, '');
    const at = text.indexOf(wanted, from);
    if (at < 0) return `${path} has no such lines: ${wanted.trim().split('\n')[0]} ...`;
    from = at + wanted.length;
  }
  return null;
}

/** The results of a module's blocks, from what was found before and while it ran. */
function resultsOf({ kind, page, blocks, complaints }, verdicts) {
  return blocks.map((block, i) => {
    const own = complaints.filter(({ line }) => line >= block.start && line <= block.end);
    const before = own.map(({ line, why }) => `line ${line}: ${why}`).join(' ') || null;
    const why = kind === 'from' ? checkQuote(block) : (before ?? verdicts[i] ?? null);
    return { place: `${page}:${block.start}`, why };
  });
}

/** Checks all modules of a page. Those that another check has refused are not run. */
async function checkPage(modules) {
  const ready = modules.filter(({ kind, complaints }) => kind === 'run' && complaints.length === 0);
  const ran = ready.length > 0 ? await execute(ready) : null;
  return modules.flatMap((module) => {
    const i = ready.indexOf(module);
    if (i >= 0) return resultsOf(module, judge(module, ran.outputs[i] ?? [], ran));
    return resultsOf(module, module.kind === 'run' ? module.blocks.map(() => 'it did not run') : []);
  });
}

/** The name that a heading has in a link, as GitHub makes it. */
const anchor = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (page) =>
  parse(page)
    .prose.filter((line) => /^#+ /.test(line))
    .map((line) => anchor(line.replace(/^#+ /, '').trim()));

function checkLink(page, link) {
  const [path, fragment] = link.split('#');
  const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  if (!target.startsWith(root) || !existsSync(target)) return `${link} leads nowhere`;
  if (fragment === undefined || !target.endsWith('.md')) return null;
  return anchorsOf(target.slice(root.length)).includes(fragment) ? null : `${link} has no such heading`;
}

const { scripts } = JSON.parse(read('package.json'));

/** Follows the relative links of a page, and looks up the npm scripts that it names. */
function checkReferences({ page }) {
  const text = read(page);
  const links = parse(page)
    .prose.join('\n')
    .matchAll(/\]\(([^)\s]+)\)/g);
  const wrong = [...links]
    .map(([, link]) => (/^[a-z]+:/.test(link) ? null : checkLink(page, link)))
    .concat(
      [...text.matchAll(/npm run ([\w:-]+)/g)].map(([call, name]) => (scripts[name] ? null : `no ${call}`)),
    );
  return { place: `${page}, ${wrong.length} references`, why: wrong.filter(Boolean).join('; ') || null };
}

const chosen = process.argv.slice(2);
const parsed = pages()
  .filter((page) => chosen.length === 0 || chosen.some((part) => page.includes(part)))
  .map(parse);
const results = parsed.map(checkReferences);
try {
  const byPage = parsed.map((page) => modulesOf(page).map(write));
  typeCheck(byPage.flat());
  const queue = byPage.values();
  const work = async () => {
    for (const modules of queue) results.push(...(await checkPage(modules)));
  };
  await Promise.all(Array.from({ length: processes }, work));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const { place, why } of results) console.log(why ? `failed  ${place}: ${why}` : `passed  ${place}`);
const failed = results.filter(({ why }) => why).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 || results.length === 0 ? 1 : 0;
