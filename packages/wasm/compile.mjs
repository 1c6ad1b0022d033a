// Compiles assembly/kernels.ts and puts the binaries, as text, into src/binary.ts, which is not committed.
import { readFile, writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

// what VRAdam and AdamW need, with what every algorithm does, is apart: a page downloads no more than it uses
const modules = {
  momentKernels: ['moments', 'descendTo', 'sumSquares', 'nonFinite'],
  otherKernels: ['velocity', 'glide', 'sgd', 'rmsprop'],
  rowKernels: ['momentsOfRow', 'velocityOfRow'],
};

const options = [
  '--optimizeLevel',
  '3',
  '--shrinkLevel',
  '0',
  '--converge',
  '--runtime',
  'stub',
  '--noAssert',
];
const memory = ['--importMemory', '--noExportMemory', '--initialMemory', '1'];
const entry = 'assembly/entry.ts';

async function compile(names) {
  let binary;
  const { error, stderr } = await asc.main(
    [entry, '--outFile', 'kernels.wasm', '--enable', 'simd', ...options, ...memory],
    {
      readFile: (name) =>
        name === entry
          ? `export { ${names.join(', ')} } from './kernels';`
          : readFile(name, 'utf8').catch(() => null),
      writeFile: (name, contents) => {
        if (name.endsWith('.wasm')) binary = Buffer.from(contents);
      },
    },
  );
  if (error || !binary) throw new Error(`${error?.message}\n${stderr}`);
  return binary;
}

const lines = ['// Made by compile.mjs from assembly/kernels.ts.'];
for (const [name, kernels] of Object.entries(modules)) {
  const binary = await compile(kernels);
  // hexadecimal: twice as long, but compressed a fifth shorter than base64, which hides what repeats
  lines.push(`/** The module of ${kernels.join(', ')}. */`);
  lines.push(`export const ${name}: string =\n  '${binary.toString('hex')}';`);
  console.log(`${name}: ${binary.length} bytes`);
}
await writeFile('src/binary.ts', `${lines.join('\n')}\n`);
