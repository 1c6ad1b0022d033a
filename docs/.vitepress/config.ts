/** The docs site: the pages of this folder, and the API that `typedoc` writes beside them. */

import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DefaultTheme, defineConfig, type MarkdownOptions } from 'vitepress';

/** The letter of the velocity. */
const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3451b2"/>' +
    '<path d="M9 10l7 13 7-13" fill="none" stroke="#fff" stroke-width="4" stroke-linejoin="round"/></svg>',
)}`;

const repository = 'https://github.com/vradam/vradam-js';

/** Pages read well on GitHub, too; what they link to outside of this folder is there. */
const linkOutside: NonNullable<MarkdownOptions['config']> = (md) => {
  const standard = md.renderer.rules['link_open'];
  md.renderer.rules['link_open'] = (tokens, i, options, env, self) => {
    const token = tokens[i];
    const href = token?.attrGet('href') ?? '';
    const target = posix.normalize(posix.join(posix.dirname(env.relativePath ?? ''), href));
    if (!/^([a-z]+:|#|\/)/.test(href) && target.startsWith('../')) {
      token?.attrSet('href', `${repository}/blob/main/${target.slice(3)}`);
    }
    return standard?.(tokens, i, options, env, self) ?? self.renderToken(tokens, i, options);
  };
};

const apiSidebar = fileURLToPath(new URL('../api/typedoc-sidebar.json', import.meta.url));

const sidebar: DefaultTheme.SidebarItem[] = [
  {
    text: 'Guide',
    items: [
      { text: 'Getting started', link: '/guide/getting-started' },
      { text: 'Optimizers', link: '/guide/optimizers' },
      { text: 'Choosing hyper-parameters', link: '/guide/hyper-parameters' },
      { text: 'Schedules, groups, transforms', link: '/guide/schedules-groups-transforms' },
      { text: 'Checkpoints', link: '/guide/checkpoints' },
      { text: 'Non-finite gradients', link: '/guide/non-finite' },
      { text: 'Ownership', link: '/guide/ownership' },
      { text: 'Benchmarks', link: '/guide/benchmarks' },
      { text: 'Sweeps', link: '/guide/sweeps' },
    ],
  },
  {
    text: 'Adapters',
    items: [
      { text: 'TensorFlow.js', link: '/adapters/tfjs' },
      { text: 'onnxruntime', link: '/adapters/onnxruntime' },
      { text: 'WebGPU', link: '/adapters/webgpu' },
      { text: 'WebAssembly on the CPU', link: '/adapters/wasm' },
    ],
  },
  {
    text: 'Concepts',
    items: [
      { text: 'The algorithm', link: '/concepts/algorithm' },
      { text: 'Gradients of ONNX models', link: '/concepts/onnx-autodiff' },
      { text: 'Paper, code, and the reading we use', link: '/reproduction' },
    ],
  },
  {
    text: 'Contributing',
    items: [
      { text: 'A new backend', link: '/contributing/new-backend' },
      { text: 'Architecture', link: '/contributing/architecture' },
    ],
  },
];

export default defineConfig({
  title: 'VRAdam',
  description:
    'AdamW that brakes when the velocity grows: optimizers for TensorFlow.js, onnxruntime and WebGPU',
  // where the site is served from, such as /vradam-js/
  base: (process.env['DOCS_BASE'] as `/${string}/` | undefined) ?? '/',
  // without one, browsers ask for a file that is not there
  head: [['link', { rel: 'icon', href: icon }]],
  srcExclude: ['examples/**'],
  rewrites: { 'api/README.md': 'api/index.md' },
  markdown: { config: linkOutside },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/guide/getting-started', activeMatch: '^/guide/' },
      { text: 'Adapters', link: '/adapters/tfjs', activeMatch: '^/adapters/' },
      { text: 'Concepts', link: '/concepts/algorithm', activeMatch: '^/concepts/' },
      { text: 'API', link: '/api/', activeMatch: '^/api/' },
    ],
    sidebar: {
      '/': sidebar,
      '/api/': existsSync(apiSidebar) ? JSON.parse(readFileSync(apiSidebar, 'utf8')) : [],
    },
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    outline: [2, 3],
  },
});
