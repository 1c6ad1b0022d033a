// All that a page may load, for size-limit.
import { page } from './pageSize.mjs';

export default page('whole', "export * from '@vradam/onnxruntime';", () => true);
