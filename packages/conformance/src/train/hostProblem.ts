/** The training model by hand: forward and backward of a multi-layer perceptron in float64 on the host. */

import type { TensorOps } from '@vradam/core';
import type { NamedArray, TrainModel, TrainProblem } from './model.ts';

type Matrix = { readonly rows: number; readonly columns: number; readonly data: Float64Array };

const matrix = (rows: number, columns: number): Matrix => ({
  rows,
  columns,
  data: new Float64Array(rows * columns),
});

/** `x W^T + b`, with W [out, in]. */
function linear(x: Matrix, weight: ArrayLike<number>, bias: ArrayLike<number>): Matrix {
  const y = matrix(x.rows, bias.length);
  for (let r = 0; r < x.rows; r++) {
    for (let o = 0; o < y.columns; o++) {
      let sum = bias[o]!;
      for (let i = 0; i < x.columns; i++) sum += x.data[r * x.columns + i]! * weight[o * x.columns + i]!;
      y.data[r * y.columns + o] = sum;
    }
  }
  return y;
}

/** Gradients of {@link linear} with respect to its input, weight and bias. */
function linearGradients(
  x: Matrix,
  weight: ArrayLike<number>,
  dy: Matrix,
): [dx: Matrix, dw: Float64Array, db: Float64Array] {
  const dx = matrix(x.rows, x.columns);
  const dw = new Float64Array(dy.columns * x.columns);
  const db = new Float64Array(dy.columns);
  for (let r = 0; r < x.rows; r++) {
    for (let o = 0; o < dy.columns; o++) {
      const d = dy.data[r * dy.columns + o]!;
      db[o]! += d;
      if (d === 0) continue;
      for (let i = 0; i < x.columns; i++) {
        dx.data[r * x.columns + i]! += d * weight[o * x.columns + i]!;
        dw[o * x.columns + i]! += d * x.data[r * x.columns + i]!;
      }
    }
  }
  return [dx, dw, db];
}

/** Mean cross-entropy of the softmax, and its gradient with respect to the logits. */
function crossEntropy(logits: Matrix, labels: readonly number[]): [loss: number, gradient: Matrix] {
  const gradient = matrix(logits.rows, logits.columns);
  let loss = 0;
  for (let r = 0; r < logits.rows; r++) {
    const row = logits.data.subarray(r * logits.columns, (r + 1) * logits.columns);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const total = row.reduce((sum, z) => sum + Math.exp(z - largest), 0);
    loss += (largest + Math.log(total) - row[labels[r]!]!) / logits.rows;
    for (const [c, z] of row.entries()) {
      const target = c === labels[r] ? 1 : 0;
      gradient.data[r * logits.columns + c] = (Math.exp(z - largest) / total - target) / logits.rows;
    }
  }
  return [loss, gradient];
}

const relu = (x: Matrix): Matrix => ({ ...x, data: x.data.map((value) => Math.max(value, 0)) });

function gather({ shape: [, columns = 0], data }: NamedArray, rows: readonly number[]): Matrix {
  const x = matrix(rows.length, columns);
  for (const [r, row] of rows.entries())
    x.data.set(data.slice(row * columns, (row + 1) * columns), r * columns);
  return x;
}

/** Loss and gradients by layer name, in float64. */
export function backPropagate(
  { layers, inputs, labels }: TrainModel,
  parameters: Readonly<Record<string, ArrayLike<number>>>,
  rows: readonly number[],
): { loss: number; gradients: Record<string, Float64Array> } {
  const entering: Matrix[] = [gather(inputs, rows)];
  const outputs = layers.map(([weight, bias], i) => {
    const y = linear(entering[i]!, parameters[weight]!, parameters[bias]!);
    entering.push(relu(y));
    return y;
  });
  const [loss, last] = crossEntropy(
    outputs.at(-1)!,
    rows.map((row) => labels[row]!),
  );
  const gradients: Record<string, Float64Array> = {};
  let dy = last;
  for (let i = layers.length - 1; i >= 0; i--) {
    const [weight, bias] = layers[i]!;
    const [dx, dw, db] = linearGradients(entering[i]!, parameters[weight]!, dy);
    gradients[weight] = dw;
    gradients[bias] = db;
    const before = outputs[i - 1];
    if (before) dy = { ...dx, data: dx.data.map((d, j) => (before.data[j]! > 0 ? d : 0)) };
  }
  return { loss, gradients };
}

/** The problem for a backend without differentiation: gradients are made on the host and handed over. */
export function hostProblem<T, S>(ops: TensorOps<T, S>, model: TrainModel): TrainProblem<T> {
  return {
    async lossAndGradients(parameters, rows) {
      const read = Object.entries(parameters).map(
        async ([name, tensor]) => [name, await ops.toArray(tensor)] as const,
      );
      const { loss, gradients } = backPropagate(model, Object.fromEntries(await Promise.all(read)), rows);
      const made = Object.entries(gradients).map(([name, data]) => [
        name,
        ops.fromArray(data, model.initial[name]!.shape),
      ]);
      return { loss, gradients: Object.fromEntries(made) as Record<string, T> };
    },
  };
}
