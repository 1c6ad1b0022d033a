import { type TensorInfo, type UnsortedSegmentSumAttrs, util } from '@tensorflow/tfjs-core';
import { fail } from '../errors.ts';
import { asWasmBackend, attributes, floatsOf, input, intsOf, type KernelParams } from './wasmBackend.ts';

/**
 * `UnsortedSegmentSum` for the wasm backend, the gradient of `gather` and so of every embedding:
 * `out[s, ...] = sum of x[i, ...] over all i with segmentIds[i] = s`. Ids outside `[0, numSegments)` are left out.
 *
 * Inputs `x` [n, ...inner], float32 or int32, and `segmentIds` [n], int32. Output [numSegments, ...inner] of x's
 * dtype, owned by the caller. Source: tfjs-backend-cpu 4.22 `UnsortedSegmentSum`.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` for another dtype; `ERR_SHAPE_MISMATCH` when `segmentIds` is not [n].
 */
export function unsortedSegmentSum(params: KernelParams): TensorInfo {
  const backend = asWasmBackend(params.backend);
  const [x, segmentIds] = [input(params, 'x'), input(params, 'segmentIds')];
  const { numSegments } = attributes<UnsortedSegmentSumAttrs>(params);
  const values = x.dtype === 'int32' ? intsOf : floatsOf;
  checkInputs(x, segmentIds);
  const inner = x.shape.slice(1);
  const out = backend.makeOutput([numSegments, ...inner], x.dtype);
  addRows(intsOf(backend, segmentIds), util.sizeFromShape(inner), values(backend, x), values(backend, out));
  return out;
}

function checkInputs(x: TensorInfo, segmentIds: TensorInfo): void {
  if (x.dtype !== 'float32' && x.dtype !== 'int32') {
    fail('ERR_UNSUPPORTED', `unsortedSegmentSum sums float32 or int32. Received: ${x.dtype}. Cast x first.`);
  }
  if (segmentIds.shape.length !== 1 || segmentIds.shape[0] !== x.shape[0]) {
    fail(
      'ERR_SHAPE_MISMATCH',
      `unsortedSegmentSum needs one segment id for each of x's rows. Received: x of shape ` +
        `[${x.shape}] and segmentIds of shape [${segmentIds.shape}].`,
    );
  }
}

function addRows<T extends Float32Array | Int32Array>(ids: Int32Array, inner: number, x: T, out: T): void {
  const segments = inner === 0 ? 0 : out.length / inner;
  out.fill(0);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    if (id < 0 || id >= segments) continue;
    for (let from = i * inner, to = id * inner, j = 0; j < inner; j++) {
      out[to + j] = (out[to + j] as number) + (x[from + j] as number);
    }
  }
}
