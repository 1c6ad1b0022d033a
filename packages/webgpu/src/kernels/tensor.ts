/**
 * The passes of a step over a tensor of its own, in buffers of any size: an `f32` at a time. `control` holds the place of
 * its first partial sum, then its numbers.
 */

import type { Program } from '../program.ts';
import { assemble, type Kernel } from './kernel.ts';
import { tree } from './measure.ts';

/** Invocations of a workgroup. */
const size = 64;
/** Elements that a workgroup walks over: few and fat ones, as each costs something on a device in software. */
export const span: number = 64 * size;

/** A loop over a tensor's elements. */
function loop(columns: number, lines: readonly string[]): string {
  const text = lines.join('\n');
  const numbers = Array.from({ length: columns }, (_, c) => c)
    .filter((c) => new RegExp(`\\bc${c}\\b`).test(text))
    .map((c) => `let c${c} = bitcast<f32>(control[${c + 1}]);`);
  return `${numbers.join('\n')}
let end = min((workgroup.x + 1u) * ${span}u, arrayLength(&gradient));
for (var i = workgroup.x * ${span}u + lane; i < end; i += ${size}u) {
let gradient0 = gradient[i];
${text}
}`;
}

const loadSlots = ({ slots }: Program): string[] => slots.map((_, s) => `let old${s} = slot${s}[i];`);
const slotNames = ({ slots }: Program): string[] => slots.map((_, s) => `slot${s}`);

/** What a tensor adds to its group's norm; undefined where the algorithm has none. */
export function tensorMeasureKernel(program: Program): Kernel | undefined {
  const { columns, measure } = program;
  if (!measure) return undefined;
  const loads = loadSlots(program).filter((_, s) =>
    new RegExp(`\\bold${s}\\b`).test(measure.lines.join('\n')),
  );
  const body = `var sum = 0f;
${loop(columns, [...loads, ...measure.lines, `sum += ${measure.results.norm};`])}
${tree.write(size, 'sum', 'partials[control[0] + workgroup.x]')}`;
  const lanes = `var<workgroup> lanes: array<f32, ${size}>;`;
  return assemble(size, ['partials'], ['gradient', ...slotNames(program)], body, lanes, 'f32');
}

/** New state and a new parameter, in place. `rates` holds the learning rate. */
export function tensorMoveKernel(program: Program): Kernel {
  const { columns, move, slots } = program;
  const lines = [
    'let parameter0 = parameter[i];',
    ...loadSlots(program),
    ...move.lines,
    ...slots.map((name, s) => `slot${s}[i] = ${move.results[name]};`),
    `parameter[i] = ${move.results['parameter']};`,
  ];
  const written = ['parameter', ...slotNames(program)];
  const body = `let rate = rates[0];\n${loop(columns, lines)}`;
  return assemble(size, written, [...written, 'gradient', 'rates'], body, '', 'f32');
}
