// Compiles assembly/filterGradient.ts and puts the binary, as text, where it is used; that file is not committed.
import { writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

let binary;
const options = ['--enable', 'simd', '--optimizeLevel', '3', '--converge', '--runtime', 'stub', '--noAssert'];
const memory = ['--importMemory', '--noExportMemory', '--initialMemory', '1'];
const { error, stderr } = await asc.main(
  ['assembly/filterGradient.ts', '--outFile', 'kernel.wasm', ...options, ...memory],
  {
    writeFile: (name, contents) => {
      if (name.endsWith('.wasm')) binary = Buffer.from(contents);
    },
  },
);
if (error || !binary) throw new Error(`${error?.message}\n${stderr}`);

const text = `// Made by compile.mjs from assembly/filterGradient.ts.
/** The kernel's WebAssembly module in hexadecimal digits. */
export const filterGradientKernel: string =
  '${binary.toString('hex')}';
`;
await writeFile('src/gradientKernels/binary.ts', text);
console.log(`filterGradient: ${binary.length} bytes`);
