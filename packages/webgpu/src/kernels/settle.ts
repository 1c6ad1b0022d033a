/** Between the passes: norms, learning rates, and whether the step is taken at all. One workgroup. */

import { groupWords, header, statsWords } from '../layout.ts';
import type { Program } from '../program.ts';
import { assemble, type Kernel, type Setting } from './kernel.ts';
import { total, totalSize } from './total.ts';

type Rule = NonNullable<Program['rule']>;

const ruleText = ({ lines, result }: Rule, i: number): string =>
  `fn rule${i}(rate: f32, norm: f32, numbers: u32) -> f32 {\n${lines.join('\n')}\nreturn ${result};\n}`;

/**
 * @param rules - the different rules among the groups; the group table says which is whose.
 * @param hasNorm - whether there are partial sums.
 */
export function settleKernel(
  { layout, skips, judged }: Setting,
  rules: readonly Rule[],
  hasNorm: boolean,
): Kernel {
  const { stats, groupTable, groups, ring, slots, slotWords, tensors, flags } = layout;
  const cases = rules.map((_, i) => `case ${i}u: { moved = rule${i}(rate, norm, control[group + 2u]); }`);
  const alarmed = skips ? 'atomicLoad(&alarm) != 0u' : 'false';
  const counts = `control[select(${header.step}u, ${header.skipped}u, bad)] += 1u;
  control[${header.verdict}] = u32(bad);
${skips ? '  atomicStore(&alarm, 0u);' : ''}`;
  const body = `let bad = ${judged ? `control[${header.verdict}] != 0u` : alarmed};
storageBarrier();
for (var g = 0u; g < ${groups}u; g++) {
  let group = ${groupTable}u + g * ${groupWords}u;
  let norm = ${hasNorm ? 'total(lane, control[group], control[group + 1u])' : '0f'};
  if (lane == 0u && !bad) {
    let rate = bitcast<f32>(control[${ring}u + (control[${header.step}] % ${slots}u) * ${slotWords}u + g]);
    var moved = rate;
    switch (control[group + 3u]) {
${cases.join('\n')}
      default: {}
    }
    let report = ${stats}u + g * ${statsWords}u;
    control[report] = bitcast<u32>(rate);
    control[report + 1u] = bitcast<u32>(moved);
    control[report + 2u] = bitcast<u32>(norm);
  }
}
let counter = ${judged ? `${layout.steps}u` : `select(${layout.steps}u, ${layout.skips}u, bad)`};
for (var tensor = lane; tensor < ${tensors}u; tensor += ${totalSize}u) {
  control[counter + tensor] += control[${flags}u + tensor] & 1u;
}
if (lane == 0u) {
  ${judged ? `control[${header.step}] += u32(!bad);` : counts}
}`;
  const declarations = [hasNorm ? total : '', ...rules.map(ruleText)].join('\n');
  return assemble(totalSize, ['control', 'alarm'], [], body, declarations);
}
