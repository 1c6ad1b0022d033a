/** What this package needs of Node and browsers beyond the language. */

/** A `WebAssembly.Memory`. */
export interface Memory {
  /** All of it. */
  readonly buffer: ArrayBufferLike;
}

interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
  Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => Memory;
}

interface Platform {
  readonly WebAssembly?: WebAssemblyApi;
  readonly SharedArrayBuffer?: SharedArrayBufferConstructor;
}

/** The globals. */
export const platform: Platform = globalThis as unknown as Platform;
