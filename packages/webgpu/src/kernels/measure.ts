/** First pass over the gradients: partial sums, one for each workgroup. It changes no tensor. */

import { header } from '../layout.ts';
import type { Written } from '../program.ts';
import {
  assemble,
  type Kernel,
  leave,
  loadFactor,
  loadGradient,
  type Reduction,
  type Setting,
  type Walk,
  walk,
} from './kernel.ts';

/** Invocations whose sums one of them adds up; then the first adds theirs. Two barriers, and a fixed order. */
const run = 8;

/** Adds up a workgroup's sums on any device. */
export const tree: Reduction = {
  check() {},
  write: (size, sum, place) => `lanes[lane] = ${sum};
workgroupBarrier();
if (lane % ${run}u == 0u) {
  var part = lanes[lane];
  for (var k = 1u; k < ${run}u; k++) { part += lanes[lane + k]; }
  lanes[lane] = part;
}
workgroupBarrier();
if (lane == 0u) {
  var whole = lanes[0];
  for (var k = ${run}u; k < ${size}u; k += ${run}u) { whole += lanes[k]; }
  ${place} = whole;
}`,
};

/** Exponent bits all set: NaN or an infinity. In bits, as WGSL may take for granted that there are none. */
const check = `bad = max(bad, bitcast<vec4u>(gradient0) & vec4u(0x7f800000u));`;
const raise = 'if (any(bad == vec4u(0x7f800000u))) { atomicOr(&alarm, 1u); }';

/**
 * @param sum - lines that compute the summand `norm`; none if only bad gradients are looked for.
 * @param slots - state tensors that the lines load.
 * @param checks - whether to raise the alarm at a bad gradient.
 */
export function measureKernel(
  setting: Setting,
  way: Walk,
  sum: Written<'norm'> | undefined,
  slots: number,
  checks: boolean,
): Kernel {
  const { size, reduction } = setting.shape;
  const text = sum?.lines.join('\n') ?? '';
  const loads = Array.from({ length: slots }, (_, s) => s)
    .filter((s) => new RegExp(`\\bold${s}\\b`).test(text))
    .map((s) => `let old${s} = slot${s}[i];`);
  const adds = sum ? [...loads, text, `sum += ${sum.results.norm};`] : [];
  const body = [
    setting.judged ? leave : '',
    loadFactor(setting, header.factor),
    sum ? 'var sum = vec4f();' : '',
    checks ? 'var bad = vec4u();' : '',
    walk(setting, way, 'gradient', [loadGradient(setting), checks ? check : '', ...adds]),
    checks ? raise : '',
    sum ? reduction.write(size, 'dot(sum, vec4f(1f))', 'partials[segment.y + workgroup.x]') : '',
  ].join('\n');
  const names = Array.from({ length: slots }, (_, s) => `slot${s}`);
  const lanes = sum ? `var<workgroup> lanes: array<f32, ${size}>;` : '';
  return assemble(size, ['partials', 'alarm'], ['gradient', ...names], body, lanes);
}

/** The summand of a squared Euclidean norm. */
export const squares: Written<'norm'> = {
  lines: ['let square = gradient0 * gradient0;'],
  results: { norm: 'square' },
};
