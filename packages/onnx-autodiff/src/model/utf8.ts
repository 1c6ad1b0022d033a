/** Text as bytes; every runtime has these two, but not every set of type definitions. */

declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
declare const TextDecoder: new (
  label: string,
  options: { ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const encoder = /* @__PURE__ */ new TextEncoder();
// a mark at the beginning is part of a name
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true });

/** Longer texts are left to the runtime, whose functions take a while to call. */
const short = 64;

/** UTF-8 bytes of a text. */
export const encodeText = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);

/** Puts a short text of ASCII into `bytes` so that it ends at `end`. False if the text is not such. */
export function putAscii(text: string, bytes: Uint8Array, end: number): boolean {
  const begin = end - text.length;
  if (text.length > short || begin < 0) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return false;
    bytes[begin + i] = code;
  }
  return true;
}

/** Text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export function decodeText(bytes: Uint8Array, begin = 0, end: number = bytes.length): string {
  if (end - begin > short) return decoder.decode(bytes.subarray(begin, end));
  const codes = new Array<number>(end - begin);
  for (let i = begin; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte > 127) return decoder.decode(bytes.subarray(begin, end));
    codes[i - begin] = byte;
  }
  return String.fromCharCode.apply(undefined, codes);
}
