/**
 * A backend that watches its caller: every tensor and scalar is a handle that may be used only while it is alive.
 *
 * It shows that the core keeps the rules of ownership on a backend that needs them, and it is small enough to be a
 * model for new backends.
 */

import { type ScalarOps, type TensorOps, VRAdamError } from '@vradam/core';

/** A tensor (or, with shape [], a scalar) of this backend. */
export interface Handle {
  /** Its elements; null once released. */
  data: Float64Array | null;
  /** Its shape. */
  readonly shape: readonly number[];
}

/** The operations, and the number of handles alive. */
export interface TrackedOps {
  /** The backend. */
  readonly ops: TensorOps<Handle, Handle>;
  /** Handles that were made and not released. */
  liveTensors(): number;
}

function use({ data }: Handle): Float64Array {
  if (!data) throw new VRAdamError('ERR_CONFORMANCE', '[@vradam/conformance] a released tensor was used.');
  return data;
}

/** Makes a backend with its own count; over 40 lines, as it is a table of one-line operations. */
export function createTrackedOps(): TrackedOps {
  let live = 0;
  let temporaries: Set<Handle> | null = null;

  const make = (data: Float64Array, shape: readonly number[], temporary: boolean): Handle => {
    const handle: Handle = { data, shape: [...shape] };
    live++;
    if (temporary) {
      if (!temporaries)
        throw new VRAdamError('ERR_CONFORMANCE', '[@vradam/conformance] a temporary outside of tidy.');
      temporaries.add(handle);
    }
    return handle;
  };
  const release = (handle: Handle): void => {
    use(handle);
    handle.data = null;
    live--;
    temporaries?.delete(handle);
  };
  const value = (x: Handle | number): number => (typeof x === 'number' ? x : (use(x)[0] as number));
  const scalar = (x: number): Handle => make(Float64Array.of(x), [], true);
  const map = (x: Handle, f: (x: number, i: number) => number): Handle => make(use(x).map(f), x.shape, true);

  const scalars: ScalarOps<Handle> = {
    of: scalar,
    add: (a, b) => scalar(value(a) + value(b)),
    mul: (a, b) => scalar(value(a) * value(b)),
    div: (a, b) => scalar(value(a) / value(b)),
    min: (a, b) => scalar(Math.min(value(a), value(b))),
    sqrt: (a) => scalar(Math.sqrt(value(a))),
    sum: (terms) => scalar(terms.reduce((sum, term) => sum + value(term), 0)),
  };

  const ops: TensorOps<Handle, Handle> = {
    name: 'tracked',
    dtype: 'float64',
    scalars,
    fromArray: (data, shape) => make(Float64Array.from(data), shape, false),
    toArray: (x) => Promise.resolve(use(x).slice()),
    readScalar: (x) => Promise.resolve(value(x)),
    shape: (x) => x.shape,
    zerosLike: (x) => make(new Float64Array(use(x).length), x.shape, false),
    axpby: (a, x, b, y) => map(x, (xi, i) => value(a) * xi + value(b) * (use(y)[i] as number)),
    affine: (a, x, b) => map(x, (xi) => value(a) * xi + value(b)),
    mul: (x, y) => map(x, (xi, i) => xi * (use(y)[i] as number)),
    div: (x, y) => map(x, (xi, i) => xi / (use(y)[i] as number)),
    sqrt: (x) => map(x, Math.sqrt),
    sumPower: (x, power) => scalar(use(x).reduce((sum, xi) => sum + Math.abs(xi) ** power, 0)),
    replace(previous, next) {
      release(previous);
      temporaries?.delete(next); // from now on it lives until it is released
      return next;
    },
    tidy(scope) {
      const outer = temporaries;
      temporaries = new Set();
      const result = scope();
      const kept = new Set(Array.isArray(result) ? result : [result]);
      for (const handle of temporaries) if (!kept.has(handle)) release(handle);
      temporaries = outer;
      return result;
    },
    dispose: release,
    countNonFinite: (x) => use(x).filter((xi) => !Number.isFinite(xi)).length,
  };
  return { ops, liveTensors: () => live };
}
