import { mergeConfig } from 'vitest/config';
import { browserConfig } from '../../scripts/vitestBrowser.mjs';

export default mergeConfig(browserConfig(['flatbuffers']), {
  // bundled ahead, they would look for their WebAssembly beside the bundle
  optimizeDeps: { exclude: ['onnxruntime-web', 'onnxruntime-web/webgpu'] },
  test: { globalSetup: ['test/browser/nodeRun.ts'] },
});
