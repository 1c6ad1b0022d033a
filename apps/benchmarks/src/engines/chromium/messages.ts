/** What is said between this process and a page, and how it becomes bytes. */

import { decode, ExtensionCodec, encode } from '@msgpack/msgpack';
import type { HostTensor } from '../../nn/nn.ts';
import type { Tape } from '../../nn/tape.ts';
import type { Session } from '../engine.ts';
import type { Rates, SpecDescription } from './spec.ts';

/** What a session can be asked for. */
export type Method = keyof Session;

/** What the page is asked. */
export type Request =
  | { readonly kind: 'start'; readonly engine: string }
  | {
      readonly kind: 'open';
      readonly network: Tape;
      readonly parameters: readonly (readonly [name: string, value: HostTensor])[];
      readonly buffers: readonly (readonly [name: string, value: HostTensor])[];
      readonly optimizer: SpecDescription;
      /** Learning rates of the first steps. */
      readonly rates: Rates;
      readonly seed: number;
    }
  | {
      readonly kind: 'call';
      readonly session: number;
      readonly method: Method;
      readonly given: readonly unknown[];
      /** Learning rates that the call may need. */
      readonly rates: Rates;
    };

/** What the page answers to `start`. */
export interface Started {
  readonly hessianStep: number | null;
  readonly versions: Readonly<Record<string, string>>;
}

/** What went wrong in the page. */
export interface PageFailure {
  /** Code of an error of ours; null of any other. */
  readonly code: string | null;
  readonly message: string;
}

/** What the page answers. */
export type Answer = { readonly value: unknown } | { readonly failure: PageFailure };

const typedArrays = [Float32Array, Int32Array, Float64Array] as const;
const extensionCodec = new ExtensionCodec();
for (const [type, Class] of typedArrays.entries()) {
  extensionCodec.register({
    type,
    encode: (thing) =>
      thing instanceof Class ? new Uint8Array(thing.buffer, thing.byteOffset, thing.byteLength) : null,
    // a copy: numbers must lie at a multiple of their size
    decode: (bytes) => new Class(new Uint8Array(bytes).buffer),
  });
}

/** A request or an answer as MessagePack, with typed arrays as extensions. */
export const pack = (thing: Request | Answer): Uint8Array<ArrayBuffer> =>
  encode(thing, { extensionCodec, ignoreUndefined: true });

/** The inverse of {@link pack}. */
export const unpack = (bytes: Uint8Array): unknown => decode(bytes, { extensionCodec });
