import { browserConfig } from '../../scripts/vitestBrowser.mjs';

export default browserConfig([
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-backend-webgl',
  '@tensorflow/tfjs-backend-webgpu',
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-layers',
  '@vradam/conformance > fast-check',
]);
