import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { nodeConfig } from '../../scripts/vitestNode.mjs';

const { test } = nodeConfig;
const peer = (name: string): string => fileURLToPath(new URL(`test/peers/${name}.ts`, import.meta.url));
const modules = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/@tensorflow/${name}/dist/index.js`, import.meta.url));

/** tfjs's specs bring its modules one by one, so everything must take those and not the bundle. */
const specs = {
  plugins: [
    {
      name: 'tfjs-specs',
      enforce: 'pre' as const,
      resolveId(source: string, importer = '') {
        if (source.endsWith('/jasmine_util')) return peer('jasmineUtil');
        // the specs of the base class construct an SGD of this module
        if (importer.endsWith('optimizer_test.js') && source === './sgd_optimizer')
          return peer('replacePeers');
        return null;
      },
    },
  ],
  resolve: {
    alias: ['tfjs-core', 'tfjs-backend-cpu', 'tfjs-backend-wasm'].map((name) => ({
      find: new RegExp(`^@tensorflow/${name}$`),
      replacement: modules(name),
    })),
  },
  test: {
    ...test,
    name: 'tfjs-specs',
    include: ['test/peers/*.test.ts'],
    globals: true,
    server: { deps: { inline: [/@tensorflow\/tfjs-(core|backend-cpu|backend-wasm)\/dist\//] } },
  },
};

const node = { test: { ...test, name: 'node', exclude: ['test/browser/**', 'test/peers/**'] } };

export default defineConfig({ test: { projects: [node, specs] } });
