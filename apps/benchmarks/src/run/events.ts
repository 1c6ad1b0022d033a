/** Event files of TensorBoard: scalars, in records with checksums. */

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli) of some bytes, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (crcTable[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

/** The checksum as records hold it, so that a checksum of checksums is none. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/**
 * A record: its length, a checksum of that, its bytes, a checksum of these.
 *
 * @see https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
 */
export function recordOf(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

/** A whole number of 0 or more, seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const wire = { varint: 0, eightBytes: 1, delimited: 2, fourBytes: 5 } as const;

const field = (number: number, type: keyof typeof wire, content: Iterable<number>): number[] => [
  ...varint(number * 8 + wire[type]),
  ...content,
];

const delimited = (number: number, content: readonly number[]): number[] =>
  field(number, 'delimited', [...varint(content.length), ...content]);

const text = (number: number, content: string): number[] => delimited(number, [...Buffer.from(content)]);

const double = (number: number, value: number): number[] =>
  field(number, 'eightBytes', new Uint8Array(Float64Array.of(value).buffer));

const float = (number: number, value: number): number[] =>
  field(number, 'fourBytes', new Uint8Array(Float32Array.of(value).buffer));

/** What begins every event file: an `Event` with the version of the format. */
export function fileHeader(wallTime: number): Uint8Array {
  return recordOf(Uint8Array.from([...double(1, wallTime), ...text(3, 'brain.Event:2')]));
}

/**
 * An `Event` with scalars.
 *
 * @param wallTime - seconds since 1970.
 * @param step - 0 or more.
 * @param scalars - by tag; NaN and infinities are shown as such.
 * @see https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
 */
export function scalarEvent(
  wallTime: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array {
  const values = Object.entries(scalars).flatMap(([tag, value]) =>
    delimited(1, [...text(1, tag), ...float(2, value)]),
  );
  const event = [...double(1, wallTime), ...field(2, 'varint', varint(step)), ...delimited(5, values)];
  return recordOf(Uint8Array.from(event));
}
