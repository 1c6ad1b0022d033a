/** The code of the page as files that a browser can load. */

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** Modules that find their WebAssembly beside themselves: they are served from where they are. */
const external: readonly string[] = ['onnxruntime-web/webgpu'];

/** The page's code by file name, bundled from the modules beside this one: sources or built ones. */
export async function bundlePage(): Promise<ReadonlyMap<string, string>> {
  // the ending is this module's own: only in import statements does the compiler rewrite it
  const entry = new URL(`./page/main${extname(import.meta.url)}`, import.meta.url);
  const bundle = await rolldown({
    input: { main: fileURLToPath(entry) },
    platform: 'browser',
    external: [...external],
    logLevel: 'silent',
  });
  const { output } = await bundle.generate({ format: 'esm' });
  await bundle.close();
  return new Map(
    output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file.code] as const] : [])),
  );
}
