// Compiles assembly/kernels.ts and puts the binary, as text, into src/binary.ts, which is not committed.
import { writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

let binary;
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
const { error, stderr } = await asc.main(
  ['assembly/kernels.ts', '--outFile', 'kernels.wasm', '--enable', 'simd', ...options, ...memory],
  {
    writeFile: (name, contents) => {
      if (name.endsWith('.wasm')) binary = Buffer.from(contents);
    },
  },
);
if (error || !binary) throw new Error(`${error?.message}\n${stderr}`);

const text = `// Made by compile.mjs from assembly/kernels.ts.
/** The kernels' WebAssembly module, base64. */
export const binary: string =
  '${binary.toString('base64')}';
`;
await writeFile('src/binary.ts', text);
console.log(`kernels: ${binary.length} bytes`);
