/** The largest eigenvalue of a symmetric operator, by Lanczos' method. */

import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** Multiplies a symmetric matrix with a vector; must not keep or change it. */
export type SymmetricOperator = (vector: Float64Array) => Promise<Float64Array>;

/** How far to go. */
export interface LanczosOptions {
  /** Products with the operator at most. */
  readonly iterations: number;
  /** Ends where the residual is below this share of the eigenvalue. Default 1e-3. */
  readonly tolerance?: number;
}

/** What was found. */
export interface Ritz {
  /** The largest eigenvalue, algebraically: the most positive one. */
  readonly value: number;
  /** Its eigenvector, of length 1. */
  readonly vector: Float64Array;
  /** Length of `A x - value x`: the distance to an eigenvalue is not larger. */
  readonly residual: number;
  /** Products that it took. */
  readonly products: number;
  /** Whether the residual is as small as was asked for. */
  readonly converged: boolean;
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};

/** `y += factor x` */
function add(y: Float64Array, factor: number, x: Float64Array): void {
  for (let i = 0; i < y.length; i++) y[i] = (y[i] as number) + factor * (x[i] as number);
}

function normalized(x: Float64Array): Float64Array {
  const length = Math.sqrt(dot(x, x));
  return x.map((value) => value / length);
}

/** The most positive eigenvalue of a symmetric tridiagonal matrix, and its eigenvector. */
function top(diagonal: readonly number[], beside: readonly number[]): { value: number; vector: number[] } {
  const n = diagonal.length;
  const matrix = Matrix.zeros(n, n);
  for (let i = 0; i < n; i++) {
    matrix.set(i, i, diagonal[i] as number);
    if (i === 0) continue;
    matrix.set(i, i - 1, beside[i - 1] as number);
    matrix.set(i - 1, i, beside[i - 1] as number);
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const best = realEigenvalues.indexOf(Math.max(...realEigenvalues));
  return { value: realEigenvalues[best] as number, vector: eigenvectorMatrix.getColumn(best) };
}

const combine = (basis: readonly Float64Array[], weights: readonly number[]): Float64Array => {
  const sum = new Float64Array(basis[0]?.length ?? 0);
  for (const [i, vector] of basis.entries()) add(sum, weights[i] as number, vector);
  return normalized(sum);
};

/**
 * Finds the largest eigenvalue of a symmetric operator. Each new direction is made orthogonal to all before, twice: in
 * rounded arithmetic they would otherwise drift back to what was found already, which then appears several times.
 *
 * @param multiply - the operator.
 * @param start - not zero; the nearer to the eigenvector, the fewer products. Not changed.
 * @throws what `multiply` throws.
 * @see Golub and Van Loan, "Matrix Computations", section 10.1; Parlett, "The Symmetric Eigenvalue Problem", chapter 13
 */
export async function largestEigenvalue(
  multiply: SymmetricOperator,
  start: Float64Array,
  { iterations, tolerance = 1e-3 }: LanczosOptions,
): Promise<Ritz> {
  const basis = [normalized(start)];
  const [diagonal, beside]: [number[], number[]] = [[], []];
  for (;;) {
    const last = basis.at(-1) as Float64Array;
    const next = await multiply(last);
    diagonal.push(dot(next, last));
    for (let pass = 0; pass < 2; pass++) for (const vector of basis) add(next, -dot(next, vector), vector);
    const length = Math.sqrt(dot(next, next));
    const { value, vector } = top(diagonal, beside);
    const residual = length * Math.abs(vector.at(-1) as number);
    const converged = residual <= tolerance * Math.abs(value);
    const products = basis.length;
    if (converged || products >= Math.min(iterations, start.length) || !(length > 0)) {
      return { value, vector: combine(basis, vector), residual, products, converged };
    }
    beside.push(length);
    basis.push(next.map((element) => element / length));
  }
}
