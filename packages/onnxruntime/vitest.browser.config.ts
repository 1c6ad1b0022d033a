import { mergeConfig } from 'vitest/config';
import { browserConfig } from '../../scripts/vitestBrowser.mjs';

const bundled = ['pure-rand/distribution/uniformFloat32', 'pure-rand/generator/xoroshiro128plus'];

export default mergeConfig(browserConfig(bundled), {
  // these find their WebAssembly and their workers beside themselves: they are served from where they are
  optimizeDeps: { exclude: ['onnxruntime-web', 'onnxruntime-web/webgpu'] },
  test: { globalSetup: ['test/browser/nodeRun.ts'] },
});
