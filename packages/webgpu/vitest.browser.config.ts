import { mergeConfig } from 'vitest/config';
import { browserConfig } from '../../scripts/vitestBrowser.mjs';

export default mergeConfig(browserConfig(['@vradam/conformance > fast-check']), {
  // it finds its WebAssembly beside itself: it is served from where it is
  optimizeDeps: { exclude: ['onnxruntime-web/webgpu'] },
});
