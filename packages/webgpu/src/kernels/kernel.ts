/** What all kernels share: how they are put together, and how they walk over a segment. */

import { blockVectors, header, type Layout } from '../layout.ts';

/** WGSL and the buffers it is bound to, by name, in the order of its bindings. */
export interface Kernel {
  readonly code: string;
  readonly buffers: readonly string[];
}

/** How a workgroup adds up the sums of its invocations. */
export interface Reduction {
  /**
   * @param size - invocations of a workgroup.
   * @throws VRAdamError `ERR_UNSUPPORTED`, `ERR_OPTION_RANGE` if the device cannot add so.
   */
  check(device: GPUDevice, size: number): void;
  /**
   * Lines that add, over `lane` and a `lanes` of the workgroup; `subgroupLane` and `subgroupSize` may be named, too.
   *
   * @param sum - of each invocation, an `f32`.
   * @param place - where the whole goes.
   */
  write(size: number, sum: string, place: string): string;
}

/** Shape of the workgroups that walk over tensors. */
export interface Shape {
  /** Invocations of a workgroup. */
  readonly size: number;
  /** `vec4f`s that each of them walks over. */
  readonly items: number;
  /** How they add up. */
  readonly reduction: Reduction;
}

/** How the kernels of one optimizer are written. */
export interface Setting {
  readonly layout: Layout;
  readonly shape: Shape;
  /** Whether a gradient with NaN or Infinity keeps the step from being taken. */
  readonly skips: boolean;
  /** Whether the verdict on the call stands before the passes of its step. */
  readonly judged: boolean;
  /** Whether gradients are scaled by a factor found before. */
  readonly clips: boolean;
}

/** What a kernel may be bound to: the address space and type of each buffer. */
const types = {
  control: 'array<u32>',
  segment: 'vec4u',
  partials: 'array<f32>',
  alarm: 'atomic<u32>',
} as const;

/** `select(isNaN, ...)` in bits: WGSL may take for granted that there is no NaN, and `min` may then drop it. */
export const lesser: string = `fn lesser(a: f32, b: f32) -> f32 {
  if ((bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u) { return a; }
  if ((bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u) { return b; }
  return min(a, b);
}`;

/**
 * Puts a kernel together; only the buffers that its body names are declared, as others would not be in its layout.
 *
 * @param written - buffers it writes to.
 * @param tensors - buffers of `element` besides the known ones.
 * @param body - of the entry point, over `workgroup` and `lane`.
 */
export function assemble(
  size: number,
  written: readonly string[],
  tensors: readonly string[],
  body: string,
  declarations = '',
  element: 'vec4f' | 'f32' = 'vec4f',
): Kernel {
  const text = `${declarations}\n${body}`;
  const known: Readonly<Record<string, string>> = types;
  const buffers = [...Object.keys(types), ...tensors].filter((name) =>
    new RegExp(`\\b${name}\\b`).test(text),
  );
  const bindings = buffers.map((name, i) => {
    const space =
      name === 'segment' ? 'uniform' : `storage, ${written.includes(name) ? 'read_write' : 'read'}`;
    return `@group(0) @binding(${i}) var<${space}> ${name}: ${known[name] ?? `array<${element}>`};`;
  });
  const usesSubgroups = /\bsubgroupLane\b/.test(body);
  const code = `${usesSubgroups ? 'enable subgroups;' : ''}
${bindings.join('\n')}
${/\blesser\(/.test(text) ? lesser : ''}
${declarations}
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32${
    usesSubgroups
      ? ', @builtin(subgroup_invocation_id) subgroupLane: u32, @builtin(subgroup_size) subgroupSize: u32'
      : ''
  }) {
${body}
}
`;
  return { code, buffers };
}

/** How a kernel finds the numbers of a tensor. */
export interface Walk {
  /**
   * Whether all tensors of the segment step alike: then the numbers are those of its first tensor, and nobody looks at
   * flags.
   */
  readonly alike: boolean;
  /** The flag that lets a tensor take part. */
  readonly flag: number;
  /** Whether the device has counted this step already. */
  readonly counted: boolean;
}

/** Numbers that lines use, e.g. `c0`. */
function rowOf({ layout }: Setting, lines: string, tensor: string, counted: boolean): string {
  const used = Array.from({ length: layout.columns }, (_, c) => c).filter((c) =>
    new RegExp(`\\bc${c}\\b`).test(lines),
  );
  if (used.length === 0) return '';
  const step = `control[${layout.steps}u + ${tensor}]${counted ? ' - 1u' : ''}`;
  const slot = `${layout.ring + layout.groups}u + ((${step}) % ${layout.slots}u) * ${layout.slotWords}u`;
  const row = `let row = ${slot} + ${tensor} * ${layout.columns}u;`;
  return [row, ...used.map((c) => `let c${c} = bitcast<f32>(control[row + ${c}u]);`)].join('\n');
}

/**
 * A loop over the `vec4f`s of a segment. `segment` holds its blocks' place in `owners`, its first partial sum, its group
 * and its first tensor.
 *
 * @param length - buffer whose length bounds the loop.
 * @param lines - run for `i`, where the tensor takes part.
 * @param always - run for every `i`, after `lines`.
 */
export function walk(
  setting: Setting,
  { alike, flag, counted }: Walk,
  length: string,
  lines: readonly string[],
  always: readonly string[] = [],
): string {
  const { layout, shape } = setting;
  const text = lines.join('\n');
  const numbers = rowOf(setting, text, alike ? 'segment.w' : 'tensor', counted);
  const own = `let tensor = control[${layout.owners}u + segment.x + i / ${blockVectors}u];
if ((control[${layout.flags}u + tensor] & ${flag}u) != 0u) {
${numbers}
${text}
}`;
  return `${alike ? numbers : ''}
let first = workgroup.x * ${shape.size * shape.items}u;
let end = min(first + ${shape.size * shape.items}u, arrayLength(&${length}));
for (var i = first + lane; i < end; i += ${shape.size}u) {
${alike ? text : own}
${always.join('\n')}
}`;
}

/** Leaves where the device takes no step. `control` must only be read: then all of a workgroup leave, or none. */
export const leave: string = `if (control[${header.verdict}] != 0u) { return; }`;

/** Loads the gradient as `gradient0`, scaled if it is clipped. `factor` must be there. */
export const loadGradient = ({ clips }: Setting): string =>
  `let gradient0 = gradient[i]${clips ? ' * factor' : ''};`;

/** Loads the factor of a clip. */
export const loadFactor = ({ clips, layout: _ }: Setting, place: number): string =>
  clips ? `let factor = bitcast<f32>(control[${place}u]);` : '';
