/** Gaussian process regression with a Matern 5/2 kernel: what is believed of an objective between its trials. */

import { adamw, createOptimizer, float64Ops, type OptimizerState } from '@vradam/core';
import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** Numbers that the data decide, as logarithms: a length scale for each feature, amplitude, noise. */
export interface Hyperparameters {
  /** By feature, in its unit. */
  readonly lengthScales: readonly number[];
  /** Variance of the function. */
  readonly variance: number;
  /** Variance of the noise. */
  readonly noise: number;
}

/** A belief about a value. */
export interface Belief {
  readonly mean: number;
  /** Standard deviation, of the function without noise. */
  readonly deviation: number;
}

const root5 = Math.sqrt(5);

/** `(1 + r + r^2 / 3) e^-r` for `r = sqrt(5) distance`. */
const matern = (r: number): number => (1 + r + (r * r) / 3) * Math.exp(-r);

function scaledDistance(a: readonly number[], b: readonly number[], scales: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++)
    sum += (((a[i] as number) - (b[i] as number)) / (scales[i] as number)) ** 2;
  return Math.sqrt(sum);
}

/** A number without its last digits on the diagonal keeps the matrix positive where points meet. */
const jitter = 1e-9;

function covariance(
  points: readonly (readonly number[])[],
  { lengthScales, variance, noise }: Hyperparameters,
): Matrix {
  const k = Matrix.zeros(points.length, points.length);
  for (let i = 0; i < points.length; i++) {
    for (let j = 0; j < i; j++) {
      const r = root5 * scaledDistance(points[i] as number[], points[j] as number[], lengthScales);
      const value = variance * matern(r);
      k.set(i, j, value);
      k.set(j, i, value);
    }
    k.set(i, i, variance * (1 + jitter) + noise);
  }
  return k;
}

/** Where hyper-parameters are before they have seen data: logarithms, normal around these. */
function prior(dimensions: number): { means: number[]; deviations: number[] } {
  const scale = Math.log(0.4 * Math.sqrt(Math.max(1, dimensions)));
  return {
    means: [...Array.from({ length: dimensions }, () => scale), 0, Math.log(1e-3)],
    deviations: [...Array.from({ length: dimensions }, () => 1), 1, 2.5],
  };
}

const fromLogs = (logs: ArrayLike<number>): Hyperparameters => {
  const values = Array.from(logs, Math.exp);
  const n = values.length;
  return {
    lengthScales: values.slice(0, n - 2),
    variance: values[n - 2] as number,
    noise: values[n - 1] as number,
  };
};

/** Adds the prior's share to a gradient, and gives its share of the value. */
function addPrior(logs: ArrayLike<number>, gradient: Float64Array): number {
  const { means, deviations } = prior(gradient.length - 2);
  let value = 0;
  for (let d = 0; d < gradient.length; d++) {
    const z = ((logs[d] as number) - (means[d] as number)) / (deviations[d] as number);
    value += 0.5 * z * z;
    gradient[d] = (gradient[d] as number) + z / (deviations[d] as number);
  }
  return value;
}

/**
 * Minus the logarithm of posterior density of hyper-parameters, without its constant, and its gradient by their
 * logarithms.
 *
 * @returns null where the covariance is not positive in rounded arithmetic.
 * @see Rasmussen and Williams, "Gaussian Processes for Machine Learning", equations 5.8 and 5.9
 */
export function negativeLogPosterior(
  points: readonly (readonly number[])[],
  values: readonly number[],
  logs: ArrayLike<number>,
): { value: number; gradient: Float64Array } | null {
  const at = fromLogs(logs);
  const [n, dimensions] = [points.length, at.lengthScales.length];
  const factor = new CholeskyDecomposition(covariance(points, at));
  if (!factor.isPositiveDefinite()) return null;
  const y = Matrix.columnVector([...values]);
  const alpha = factor.solve(y).getColumn(0);
  const inverse = factor.solve(Matrix.eye(n, n));
  const lower = factor.lowerTriangularMatrix;
  const gradient = new Float64Array(dimensions + 2);
  let value = 0;
  for (let i = 0; i < n; i++)
    value += 0.5 * (values[i] as number) * (alpha[i] as number) + Math.log(lower.get(i, i));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      // 1/2 tr((K^-1 - alpha alpha^T) dK), the matrix being symmetric
      const weight = (i === j ? 0.5 : 1) * (inverse.get(i, j) - (alpha[i] as number) * (alpha[j] as number));
      if (i === j) {
        gradient[dimensions] = (gradient[dimensions] as number) + weight * at.variance;
        gradient[dimensions + 1] = (gradient[dimensions + 1] as number) + weight * at.noise;
        continue;
      }
      const [a, b] = [points[i] as number[], points[j] as number[]];
      const r = root5 * scaledDistance(a, b, at.lengthScales);
      const decay = Math.exp(-r);
      gradient[dimensions] =
        (gradient[dimensions] as number) + weight * at.variance * (1 + r + (r * r) / 3) * decay;
      // dk / d log l = 5/3 variance (1 + r) e^-r (difference / l)^2
      const common = ((weight * at.variance * 5) / 3) * (1 + r) * decay;
      for (let d = 0; d < dimensions; d++) {
        const share = ((a[d] as number) - (b[d] as number)) / (at.lengthScales[d] as number);
        gradient[d] = (gradient[d] as number) + common * share * share;
      }
    }
  }
  return { value: value + addPrior(logs, gradient), gradient };
}

/** Points that hyper-parameters are learnt from at most: an inverse of the matrix of all would take too long. */
const mostForFit = 60;
const fitSteps = 40;

/** Every few of a list that is too long, its end among them: what was tried last says most about where it is good. */
function thin<V>(list: readonly V[]): readonly V[] {
  if (list.length <= mostForFit) return list;
  const recent = list.slice(-mostForFit / 2);
  const before = list.slice(0, -mostForFit / 2);
  const every = before.length / (mostForFit / 2);
  return [...Array.from({ length: mostForFit / 2 }, (_, i) => before[Math.floor(i * every)] as V), ...recent];
}

/** The most likely hyper-parameters, by AdamW of the core on their logarithms. */
function fit(points: readonly (readonly number[])[], values: readonly number[]): Hyperparameters {
  const dimensions = points[0]?.length ?? 0;
  const [few, theirs] = [thin(points), thin(values)];
  const optimizer = createOptimizer(float64Ops, adamw({ learningRate: 0.12, beta2: 0.99, weightDecay: 0 }));
  let parameters: Readonly<Record<string, Float64Array>> = {
    logs: Float64Array.from(prior(dimensions).means),
  };
  let state: OptimizerState<Float64Array> = optimizer.init(parameters);
  let best: { value: number; logs: Float64Array } | undefined;
  for (let i = 0; i < fitSteps; i++) {
    const logs = parameters['logs'] as Float64Array;
    const at = negativeLogPosterior(few, theirs, logs);
    if (!at || !Number.isFinite(at.value)) break;
    if (!best || at.value < best.value) best = { value: at.value, logs: logs.slice() };
    ({ parameters, state } = optimizer.update(parameters, { logs: at.gradient }, state));
  }
  return fromLogs(best?.logs ?? prior(dimensions).means);
}

/** A Gaussian process that has seen some values. */
export class GaussianProcess {
  /** What the data decided. */
  readonly hyperparameters: Hyperparameters;
  readonly #points: readonly (readonly number[])[];
  readonly #alpha: readonly number[];
  /** Rows of the lower triangular factor. */
  readonly #lower: readonly Float64Array[];

  /**
   * @param points - features of each trial, of one length.
   * @param values - theirs, of mean 0 and deviation about 1.
   * @param hyperparameters - default: the most likely ones.
   */
  constructor(
    points: readonly (readonly number[])[],
    values: readonly number[],
    hyperparameters: Hyperparameters = fit(points, values),
  ) {
    this.hyperparameters = hyperparameters;
    let factor = new CholeskyDecomposition(covariance(points, hyperparameters));
    for (let noise = 1e-6; !factor.isPositiveDefinite(); noise *= 10)
      factor = new CholeskyDecomposition(
        covariance(points, { ...hyperparameters, noise: hyperparameters.noise + noise }),
      );
    this.#points = points;
    this.#alpha = factor.solve(Matrix.columnVector([...values])).getColumn(0);
    const lower = factor.lowerTriangularMatrix;
    this.#lower = points.map((_, i) => Float64Array.from(lower.getRow(i).slice(0, i + 1)));
  }

  /** What is believed at a point. */
  at(point: readonly number[]): Belief {
    const { lengthScales, variance } = this.hyperparameters;
    const n = this.#points.length;
    const solved = new Float64Array(n);
    let [mean, explained] = [0, 0];
    for (let i = 0; i < n; i++) {
      const k = variance * matern(root5 * scaledDistance(point, this.#points[i] as number[], lengthScales));
      mean += k * (this.#alpha[i] as number);
      const row = this.#lower[i] as Float64Array;
      let rest = k;
      for (let j = 0; j < i; j++) rest -= (row[j] as number) * (solved[j] as number);
      solved[i] = rest / (row[i] as number);
      explained += (solved[i] as number) ** 2;
    }
    return { mean, deviation: Math.sqrt(Math.max(0, variance - explained)) };
  }
}
