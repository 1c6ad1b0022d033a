/**
 * Protocol buffers: a table of messages read and written, nothing else of the format.
 *
 * @see https://protobuf.dev/programming-guides/encoding
 */

import { type Field, messageType, none } from './schema.ts';
import { decodeText, encodeText, putAscii } from './utf8.ts';

/** A message as an object. */
type Message = Record<string, unknown>;

/** Messages and groups inside one another, at most. */
const deepest = 100;

/** Says why bytes cannot be read; the caller makes an error of the package of it. */
function refuse(why: string): never {
  throw new Error(why);
}

/** A signed number of two words, held within those that a number can tell apart. */
function toSafe(low: number, high: number): number {
  const { MAX_SAFE_INTEGER: most } = Number;
  return Math.min(most, Math.max(-most, high * 2 ** 32 + (low >>> 0)));
}

/**
 * Reads a message. Bytes inside it are views of the given ones; what it does not know it passes over.
 *
 * Over 40 lines, as reading has one place where it is, and closures share it.
 *
 * @throws Error if the bytes are no such message: cut short, too long, too deep, of other wire types.
 */
export function readMessage<T>(bytes: Uint8Array, type: string): T {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let low = 0;
  let high = 0;

  const varint = (end: number): void => {
    low = bytes[at] as number;
    high = 0;
    if (low < 128 && at < end) {
      at++;
      return;
    }
    low = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) refuse('they end within a number');
      const byte = bytes[at++] as number;
      const bits = byte & 127;
      if (shift < 32) low |= bits << shift;
      if (shift > 27) high |= shift < 32 ? bits >> 4 : bits << (shift - 32);
      if (byte < 128) return;
    }
    refuse('a number has more than 10 bytes');
  };

  /** Passes over some bytes; gives the place where they begin. */
  const advance = (size: number, end: number): number => {
    if (size > end - at) refuse('they end too early');
    at += size;
    return at - size;
  };

  /** A length; gives the place where what has it ends. */
  const until = (end: number): number => {
    varint(end);
    if (high !== 0 || low < 0 || low > end - at) refuse('a part is longer than the whole');
    return at + low;
  };

  const tag = (end: number): number => {
    const begin = at;
    varint(end);
    if (high !== 0 || low >>> 3 === 0 || at - begin > 5) refuse('a field has no number');
    return low >>> 0;
  };

  const skip = (number: number, wire: number, end: number, depth: number): void => {
    if (wire === 0) varint(end);
    else if (wire === 1 || wire === 5) advance(wire === 1 ? 8 : 4, end);
    else if (wire === 2) at = until(end);
    else if (wire !== 3) refuse('a field has no type');
    else {
      if (depth >= deepest) refuse('they are nested too deeply');
      for (let inner = tag(end); (inner & 7) !== 4; inner = tag(end))
        skip(inner >>> 3, inner & 7, end, depth + 1);
      if (low >>> 3 !== number) refuse('a group has another end');
    }
  };

  const scalar = (kind: string, end: number): unknown => {
    if (kind === 'f') return view.getFloat32(advance(4, end), true);
    if (kind === 'd') return view.getFloat64(advance(8, end), true);
    varint(end);
    if (kind === 'i') return toSafe(low, high);
    if (kind !== 'l' && kind !== 'u') return low | 0;
    const bits = (BigInt(high) << 32n) | BigInt(low >>> 0);
    return kind === 'l' ? bits : BigInt.asUintN(64, bits);
  };

  const delimited = ({ kind }: Field, end: number, depth: number, before: unknown): unknown => {
    const stop = until(end);
    if (kind !== 's' && kind !== 'b') return message(kind, stop, depth + 1, before as Message | undefined);
    const begin = at;
    at = stop;
    return kind === 's' ? decodeText(bytes, begin, stop) : bytes.subarray(begin, stop);
  };

  const put = (into: Message, { number, name, last, isList, isChoice }: Field, value: unknown): void => {
    if (last !== undefined && (value as number) >>> 0 > last) return;
    if (isChoice) into['which'] = number;
    if (name === '') return;
    if (!isList) into[name] = value;
    else if (into[name] === none) into[name] = [value];
    else (into[name] as unknown[]).push(value);
  };

  const field = (into: Message, known: Field, wire: number, end: number, depth: number): void => {
    const { name, isList, isChoice, number } = known;
    if (isList && wire === 2 && known.wire !== 2) {
      for (const stop = until(end); at < stop; ) put(into, known, scalar(known.kind, stop));
    } else if (wire !== known.wire) refuse('a field is of another type');
    else if (wire !== 2) put(into, known, scalar(known.kind, end));
    else {
      // a message that comes in pieces is put together, unless another choice came between
      const isNew = isList || (isChoice && into['which'] !== number);
      put(into, known, delimited(known, end, depth, isNew ? undefined : into[name]));
    }
  };

  const message = (kind: string, end: number, depth: number, before?: Message): Message => {
    if (depth > deepest) refuse('they are nested too deeply');
    const { fields, empty } = messageType(kind);
    const into = before ?? { ...empty };
    while (at < end) {
      const key = tag(end);
      const known = fields[key >>> 3];
      if (known) field(into, known, key & 7, end, depth);
      else skip(key >>> 3, key & 7, end, depth);
    }
    return into;
  };

  return message(type, bytes.length, 1) as T;
}

/**
 * Writes a message: the properties that are there, the last first; lists are not packed.
 *
 * From the end to the beginning, so that the size of a part is known when it is written. Over 40 lines for the same
 * reason as reading.
 */
export function writeMessage(type: string, value: object): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(65536);
  let view = new DataView(bytes.buffer);
  let at = bytes.length;

  /** Makes room before what is there. */
  const reserve = (size: number): void => {
    if (at >= size) return;
    const used = bytes.subarray(at);
    bytes = new Uint8Array(Math.max(2 * bytes.length, used.length + size));
    view = new DataView(bytes.buffer);
    at = bytes.length - used.length;
    bytes.set(used, at);
  };

  const raw = (data: ArrayLike<number>): void => {
    reserve(data.length);
    at -= data.length;
    bytes.set(data, at);
  };

  const varint = (value: number | bigint): void => {
    const groups: number[] = [];
    // the last group alone lacks the sign that another follows
    if (typeof value === 'bigint' || value < 0) {
      for (let rest = BigInt.asUintN(64, BigInt(value)); rest > 127n; rest >>= 7n)
        groups.push(Number(rest & 127n) | 128);
      groups.push(Number(BigInt.asUintN(64, BigInt(value)) >> BigInt(7 * groups.length)));
    } else {
      let rest = value;
      for (; rest > 127; rest = Math.floor(rest / 128)) groups.push((rest % 128) | 128);
      groups.push(rest);
    }
    raw(groups);
  };

  const content = ({ kind }: Field, value: unknown): void => {
    if (kind === 'b') raw(value as Uint8Array);
    else if (kind !== 's') message(kind, value as Message);
    else if (putAscii(value as string, bytes, at)) at -= (value as string).length;
    else raw(encodeText(value as string));
  };

  const one = (field: Field, value: unknown): void => {
    const { wire, tag } = field;
    reserve(8);
    if (wire === 5 || wire === 1) {
      at -= wire === 5 ? 4 : 8;
      if (wire === 5) view.setFloat32(at, value as number, true);
      else view.setFloat64(at, value as number, true);
    } else {
      const end = bytes.length - at;
      if (wire === 2) content(field, value);
      const number = wire === 2 ? bytes.length - at - end : (value as number);
      // small numbers, which are most, at once
      if (number >= 0 && number < 128 && at > 0) bytes[--at] = Number(number);
      else varint(number);
    }
    if (tag < 128 && at > 0) bytes[--at] = tag;
    else varint(tag);
  };

  const message = (kind: string, from: Message): void => {
    const { fields, named } = messageType(kind);
    for (const name in from) {
      const given = from[name];
      const found = named.get(name);
      const field = found?.isChoice ? fields[from['which'] as number] : found;
      if (given === undefined || !field) continue;
      if (!field.isList) one(field, given);
      else for (let i = (given as unknown[]).length; i-- > 0; ) one(field, (given as unknown[])[i]);
    }
  };

  message(type, value as Message);
  return bytes.slice(at);
}
