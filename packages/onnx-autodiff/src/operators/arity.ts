/** How many inputs operators need: rules may then index them freely. Those not listed here need one. */

import { fail } from '../errors.ts';
import type { Value } from '../graph/value.ts';

const needed: Readonly<Record<number, readonly string[]>> = {
  0: ['Constant'],
  2: [
    ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'And', 'Or', 'Xor', 'PRelu', 'MatMul', 'Gemm'],
    ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'CastLike', 'CumSum', 'TopK'],
    ...['Reshape', 'Unsqueeze', 'Expand', 'Tile', 'Pad', 'Gather', 'GatherElements', 'GatherND', 'Compress'],
    ...['ReverseSequence', 'Conv', 'ConvTranspose', 'MaxUnpool', 'LayerNormalization', 'RMSNormalization'],
    ...['SoftmaxCrossEntropyLoss', 'NegativeLogLikelihoodLoss'],
  ],
  3: [
    ...['Where', 'Range', 'OneHot', 'Slice', 'ScatterElements', 'ScatterND'],
    ...['InstanceNormalization', 'GroupNormalization'],
  ],
  5: ['BatchNormalization'],
};

const counts: ReadonlyMap<string, number> = new Map(
  Object.entries(needed).flatMap(([count, ops]) => ops.map((op) => [op, Number(count)])),
);
/** Operators of any number of inputs, none of which may be left out. */
const variadic = new Set(['Sum', 'Mean', 'Min', 'Max', 'Concat', 'Einsum']);

/** Throws `ERR_MODEL_INVALID` if an operator of ONNX lacks an input. */
export function checkInputs(op: string, inputs: readonly (Value | undefined)[]): void {
  const count = counts.get(op) ?? (variadic.has(op) ? Math.max(1, inputs.length) : 1);
  for (let i = 0; i < count; i++) {
    if (!inputs[i])
      fail('ERR_MODEL_INVALID', `${op} needs input ${i + 1}. Received: ${inputs.length} inputs.`);
  }
}
