/** Last pass: new state and new parameters, and their average. */

import { flag, header, statsWords } from '../layout.ts';
import { literal } from '../ops.ts';
import type { Program } from '../program.ts';
import { assemble, type Kernel, leave, loadFactor, loadGradient, type Setting, walk } from './kernel.ts';

/**
 * @param alike - see `Walk`.
 * @param average - the old average's share, if there is an average.
 */
export function moveKernel(
  setting: Setting,
  alike: boolean,
  { slots, move }: Pick<Program, 'slots' | 'move'>,
  average: number | undefined,
): Kernel {
  const { layout, shape, skips } = setting;
  const { lines, results } = move;
  const own = [
    loadGradient(setting),
    'let parameter0 = parameter[i];',
    ...slots.map((_, s) => `let old${s} = slot${s}[i];`),
    ...lines,
    ...slots.map((name, s) => `slot${s}[i] = ${results[name]};`),
    `parameter[i] = ${results['parameter']};`,
  ];
  const averages =
    average === undefined
      ? []
      : [`average[i] = ${literal(average)} * average[i] + ${literal(1 - average)} * parameter[i];`];
  const body = [
    skips ? leave : '',
    `let rate = bitcast<f32>(control[${layout.stats + 1}u + segment.z * ${statsWords}u]);`,
    loadFactor(setting, header.factor),
    walk(setting, { alike, flag: flag.steps, counted: true }, 'parameter', own, averages),
  ].join('\n');
  const written = ['parameter', 'average', ...slots.map((_, s) => `slot${s}`)];
  return assemble(shape.size, written, [...written, 'gradient'], body);
}
