/** The kernels' module, instantiated over a memory. */

import { momentKernels, otherKernels, rowKernels } from './binary.ts';
import { fail } from './errors.ts';
import { type Memory, platform } from './platform.ts';

/**
 * The kernels over one memory. Arrays are byte addresses of float32 in it, `n` counts elements; they make
 * no memory and check nothing. What they compute is in `assembly/kernels.ts`.
 */
export interface KernelExports {
  /** `v = b1 v + c1 g`, `m = b2 m + c2 g^2`; gives the sum of v^2, in float64. */
  moments(g: number, v: number, m: number, n: number, b1: number, c1: number, b2: number, c2: number): number;
  /** `v = b v + c g`; gives the sum of v^2, in float64. */
  velocity(g: number, v: number, n: number, b: number, c: number): number;
  /** Sum of x^2, in float64. */
  sumSquares(x: number, n: number): number;
  /** 0 if all elements are finite, else NaN. */
  nonFinite(x: number, n: number): number;
  /** `o = p - (size v / (correction sqrt(m) + epsilon) + decay p)`; `o` may be `p`. */
  descendTo(
    p: number,
    o: number,
    v: number,
    m: number,
    n: number,
    size: number,
    correction: number,
    epsilon: number,
    decay: number,
  ): void;
  /** `p = p - (rate d + decay p)`. */
  glide(p: number, d: number, n: number, rate: number, decay: number): void;
  /** `d = g + decay p`, `b = momentum b + gain d`, `p = p - rate (own d + along b)`. */
  sgd(
    p: number,
    g: number,
    b: number,
    n: number,
    rate: number,
    decay: number,
    momentum: number,
    gain: number,
    own: number,
    along: number,
  ): void;
  /** RMSProp, with mean `a` and buffer `b`; 0 is none. */
  rmsprop(
    p: number,
    g: number,
    s: number,
    a: number,
    b: number,
    n: number,
    rate: number,
    decay: number,
    alpha: number,
    gain: number,
    epsilon: number,
    momentum: number,
  ): void;
}

const decode = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** The import of a memory as the compiler writes it: section 2, of 15 bytes: one import, env.memory, without a maximum. */
const plainImport = '020f0103656e76066d656d6f7279020001';

/**
 * The module for a shared memory, whose import must say so and name a maximum, which makes it three bytes longer: numbers
 * have seven bits a byte, the lowest first.
 */
function shared(hex: string, maximum: number): string {
  const pages = [(maximum & 127) | 128, ((maximum >> 7) & 127) | 128, maximum >> 14];
  const digits = pages.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(plainImport, `02120103656e76066d656d6f7279020301${digits}`);
}

let isSupported: boolean | undefined;

/** Whether this runtime has WebAssembly with SIMD. */
export function hasSimd(): boolean {
  isSupported ??= platform.WebAssembly?.validate(decode(momentKernels)) ?? false;
  return isSupported;
}

/**
 * A module over a memory of the caller's, which is its only import.
 *
 * It compiles synchronously, which browsers allow on their main thread for modules of up to 4 KiB.
 *
 * @param hex - hexadecimal digits of a module that AssemblyScript has compiled with `--importMemory`.
 * @param memory - at least one page of 64 KiB. A shared one needs its maximum.
 * @param maximumPages - maximum of a shared memory, exactly as it was made, in pages. Default 65,536.
 * @returns the module's exports.
 * @throws VRAdamError `ERR_UNSUPPORTED` where there is no WebAssembly with SIMD, or a shared memory has another maximum.
 */
export function instantiate<E>(hex: string, memory: Memory, maximumPages = 65_536): E {
  const { WebAssembly: wasm, SharedArrayBuffer: SharedBuffer } = platform;
  if (!wasm?.validate(decode(hex)))
    fail('ERR_UNSUPPORTED', 'WebAssembly with SIMD is needed. Use the core alone.');
  const isShared = SharedBuffer !== undefined && memory.buffer instanceof SharedBuffer;
  try {
    const module = new wasm.Module(decode(isShared ? shared(hex, maximumPages) : hex));
    return new wasm.Instance(module, { env: { memory } }).exports as E;
  } catch (cause) {
    fail('ERR_UNSUPPORTED', 'the kernels do not fit this memory. Is its maximum another one?', cause);
  }
}

/** Those of the {@link KernelExports} that VRAdam and AdamW need. */
export type MomentKernels = Pick<KernelExports, 'moments' | 'descendTo' | 'sumSquares' | 'nonFinite'>;

/** The kernels of VRAdam and AdamW over a memory of the caller's; half of the bytes. See {@link instantiate}. */
export const instantiateMomentKernels = (memory: Memory, maximumPages?: number): MomentKernels =>
  instantiate(momentKernels, memory, maximumPages);

/** All kernels over a memory of the caller's, e.g. that of another WebAssembly program. See {@link instantiate}. */
export const instantiateKernels = (memory: Memory, maximumPages?: number): KernelExports => ({
  ...instantiateMomentKernels(memory, maximumPages),
  ...instantiate<Omit<KernelExports, keyof MomentKernels>>(otherKernels, memory, maximumPages),
});

/**
 * The kernels of {@link Rule.accumulate} for tensors in a row: every argument is that of the first one, `n` is how many
 * there are, and nothing is given back.
 *
 * @param table - byte address of what they are told besides: the sum so far (float64), to which each tensor adds its sum
 *   of velocity^2, and behind it their lengths (int32).
 */
export function instantiateRowKernels(
  memory: Memory,
  table: number,
): Pick<KernelExports, 'moments' | 'velocity'> {
  type RowKernel = (...args: number[]) => number;
  const { momentsOfRow, velocityOfRow } = instantiate<Record<'momentsOfRow' | 'velocityOfRow', RowKernel>>(
    rowKernels,
    memory,
  );
  return {
    moments: (g, v, m, count, b1, c1, b2, c2) => momentsOfRow(table, g, v, m, count, b1, c1, b2, c2),
    velocity: (g, v, count, b, c) => velocityOfRow(table, g, v, count, b, c),
  };
}
