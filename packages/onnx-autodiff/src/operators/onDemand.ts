/** Families of operators that are loaded when a model names one: few models have them. */

import { fail } from '../errors.ts';
import { onMissing } from './registry.ts';

/** A family that is loaded on demand. */
interface Family {
  /** Its operators. */
  readonly names: readonly string[];
  /** Loads its module, which registers it. */
  readonly load: () => Promise<unknown>;
}

const family = (names: string, load: () => Promise<unknown>): Family => ({ names: names.split(' '), load });

/** The families. */
export const families: readonly Family[] = [
  family('Conv MaxPool AveragePool', () => import('./images.ts')),
  family(
    'ConvTranspose GlobalAveragePool GlobalMaxPool GlobalLpPool LpPool',
    () => import('./furtherImages.ts'),
  ),
  family(
    'LeakyRelu PRelu ThresholdedRelu Shrink Clip Elu Selu Celu Gelu HardSwish Mish Swish Softsign ' +
      'Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh IsNaN IsInf',
    () => import('./furtherFunctions.ts'),
  ),
  family(
    'LayerNormalization RMSNormalization LpNormalization MeanVarianceNormalization',
    () => import('./normalization.ts'),
  ),
  family('BatchNormalization', () => import('./batchNormalization.ts')),
  family('InstanceNormalization GroupNormalization', () => import('./groupNormalization.ts')),
  family('Concat Split Where Slice Tile', () => import('./rearranging.ts')),
  family('Gather GatherND TopK Compress OneHot', () => import('./furtherIndexing.ts')),
  family('ScatterElements ScatterND', () => import('./scattering.ts')),
  family(
    'ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp CumSum',
    () => import('./furtherReductions.ts'),
  ),
  family('Dropout', () => import('./dropout.ts')),
  // functions of the model's own
  family('functions', () => import('../graph/inline.ts')),
  family('Einsum', () => import('./einsum.ts')),
  family('Resize', () => import('./resize.ts')),
  family('DepthToSpace SpaceToDepth', () => import('./depthToSpace.ts')),
];

const loaded = new Set<Family>();

/**
 * Loads families of operators that are not part of the first download.
 *
 * @param names - operators of ONNX; all but those of such a family are passed over.
 * @throws VRAdamError `ERR_RUNTIME` if a module cannot be fetched.
 */
export async function loadOperators(...names: readonly string[]): Promise<void> {
  const wanted = families.filter((one) => !loaded.has(one) && one.names.some((name) => names.includes(name)));
  await Promise.all(wanted.map(load));
}

async function load(one: Family): Promise<void> {
  try {
    await one.load();
    loaded.add(one);
  } catch (cause) {
    const { message } = cause as Error;
    fail('ERR_RUNTIME', `the module with ${one.names[0]} must be within reach. Received: ${message}.`, cause);
  }
}

/**
 * Builds something of operators that may not be here yet: whatever turns out to be missing is loaded, and the work begins
 * anew.
 *
 * @param build - must be able to run more than once.
 * @throws VRAdamError `ERR_RUNTIME` if a module cannot be fetched; whatever `build` throws.
 */
export async function withOperators<T>(build: () => T): Promise<T> {
  for (let last: unknown; ; ) {
    try {
      return build();
    } catch (error) {
      const { code, cause } = error as { readonly code?: string; readonly cause?: unknown };
      if (code !== 'ERR_OPERATOR_UNLOADED' || cause === last) throw error;
      await loadOperators(cause as string);
      last = cause;
    }
  }
}

onMissing((op) => {
  if (families.some(({ names }) => names.includes(op))) {
    fail(
      'ERR_OPERATOR_UNLOADED',
      `${op} is loaded on demand. Received: a graph that needs it at once. ` +
        `Call \`await loadOperators('${op}')\` before, or import '@vradam/onnx-autodiff', where all operators are.`,
      op,
    );
  }
});
