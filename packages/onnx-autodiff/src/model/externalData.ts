/** Weights that lie beside the file. */

import { fail } from '../errors.ts';
import type { TensorProto } from './schema.ts';

/** Files beside a model: bytes by their path relative to it, or a function that reads one. */
export type ExternalData = Readonly<Record<string, Uint8Array>> | ((location: string) => Uint8Array);

/** True for a relative path that stays in its folder, on any system. */
function staysInside(location: string): boolean {
  if (location === '' || /^[/\\]|^[A-Za-z]:|\0/.test(location)) return false;
  return !location.split(/[/\\]/).includes('..');
}

function open(location: string, external: ExternalData | undefined): Uint8Array {
  if (!staysInside(location)) {
    fail(
      'ERR_FILE_FORMAT',
      `external data must lie in the model's folder. Received: ${JSON.stringify(location)}.`,
    );
  }
  const bytes =
    typeof external === 'function'
      ? external(location)
      : external && Object.hasOwn(external, location)
        ? external[location]
        : undefined;
  return (
    bytes ??
    fail(
      'ERR_FILE_FORMAT',
      `external data must be given in the option externalData. Received: none for ${JSON.stringify(location)}.`,
    )
  );
}

const whole = /^\d{1,15}$/;

/** The bytes of a tensor that lies in another file. */
export function readExternal(
  { name, externalData }: TensorProto,
  expected: number,
  external: ExternalData | undefined,
): Uint8Array {
  const entries = new Map(externalData.map(({ key, value }) => [key, value]));
  const [offset, length] = [entries.get('offset') ?? '0', entries.get('length') ?? String(expected)];
  if (!whole.test(offset) || !whole.test(length)) {
    fail(
      'ERR_FILE_FORMAT',
      `offset and length of ${JSON.stringify(name)} must be whole numbers. Received: ${offset}, ${length}.`,
    );
  }
  const bytes = open(entries.get('location') ?? '', external);
  const end = Number(offset) + Number(length);
  if (end > bytes.length) {
    fail(
      'ERR_FILE_FORMAT',
      `${JSON.stringify(name)} must lie within its file of ${bytes.length} bytes. Received: bytes ${offset} to ${end}.`,
    );
  }
  return bytes.subarray(Number(offset), end);
}
