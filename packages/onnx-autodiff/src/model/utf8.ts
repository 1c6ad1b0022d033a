/** Text as bytes; every runtime has these two, but not every set of type definitions. */

declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };

/** UTF-8 bytes of a text. */
export const encodeText = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
/** Text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export const decodeText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
