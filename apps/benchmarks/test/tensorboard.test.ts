/** Event files, read back by the published formats of records and of protocol buffers, and by nothing of ours. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { crc32c, recordOf, scalarEvent } from '../src/run/events.ts';
import { type MetricsLine, RunFolder } from '../src/run/records.ts';
import { start } from './command.ts';
import { writeSeed } from './reportFolder.ts';

/** CRC-32C by its polynomial, a bit at a time, on whole numbers without sign. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  return Number(crc ^ 0xffffffffn);
}

const masked = (bytes: Uint8Array): number => {
  const crc = BigInt(slowCrc(bytes));
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
};

/** The payloads of a file of records; throws where a checksum is wrong. */
function recordsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    const data = file.subarray(at + 12, at + 12 + length);
    if (view.getUint32(at + 8, true) !== masked(file.subarray(at, at + 8))) throw new Error('length');
    if (view.getUint32(at + 12 + length, true) !== masked(data)) throw new Error('data');
    records.push(data);
    at += length + 16;
  }
  return records;
}

type Field = { readonly number: number; readonly value: bigint | Uint8Array };

/** The fields of a message. See https://protobuf.dev/programming-guides/encoding */
function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = BigInt(message[at++] as number);
      value |= (byte & 127n) << shift;
      shift += 7n;
      if (byte < 128n) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    if (at > message.length) throw new Error('a field ends beyond its message');
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = Number(varint());
    const type = key & 7;
    const number = key >> 3;
    if (type === 0) fields.push({ number, value: varint() });
    else if (type === 1) fields.push({ number, value: take(8) });
    else if (type === 2) fields.push({ number, value: take(Number(varint())) });
    else if (type === 5) fields.push({ number, value: take(4) });
    else throw new Error(`wire type ${type}`);
  }
  return fields;
}

const bytesOf = (fields: readonly Field[], number: number): Uint8Array[] =>
  fields.filter((field) => field.number === number).map(({ value }) => value as Uint8Array);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

interface Decoded {
  readonly wallTime: number;
  readonly step: number;
  readonly version: string | undefined;
  readonly scalars: Record<string, number>;
}

/** An `Event` of TensorBoard: wall_time 1, step 2, file_version 3, summary 5 of values 1 of tag 1, simple_value 2. */
function decode(message: Uint8Array): Decoded {
  const fields = fieldsOf(message);
  const values = bytesOf(fields, 5).flatMap((summary) => bytesOf(fieldsOf(summary), 1));
  const scalars = values.map((value) => {
    const own = fieldsOf(value);
    const [tag, number] = [bytesOf(own, 1)[0], bytesOf(own, 2)[0]] as [Uint8Array, Uint8Array];
    return [Buffer.from(tag).toString(), viewOf(number).getFloat32(0, true)] as const;
  });
  const [version] = bytesOf(fields, 3);
  return {
    wallTime: viewOf(bytesOf(fields, 1)[0] as Uint8Array).getFloat64(0, true),
    step: Number(fields.find(({ number }) => number === 2)?.value ?? 0n),
    version: version && Buffer.from(version).toString(),
    scalars: Object.fromEntries(scalars),
  };
}

test('the checksum has the check value of CRC-32C, and that of any bytes bit by bit', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(crc32c(bytes)).toBe(slowCrc(bytes));
    }),
  );
});

test('a record gives its bytes back, and does not if a bit of it is another', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.nat(), (bytes, at) => {
      const record = recordOf(bytes);
      expect(recordsOf(record)).toEqual([bytes]);
      // not in the length itself: a longer record would end beyond the file
      const place = 8 + (at % (record.length - 8));
      record[place] = (record[place] as number) ^ (1 << (at % 8));
      expect(() => recordsOf(record)).toThrow();
    }),
  );
});

test('an event gives step, time and scalars back', () => {
  const scalars = fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1 }), fc.float());
  const step = fc.nat({ max: 2 ** 31 - 1 }).map((value) => value * 1000);
  fc.assert(
    fc.property(fc.double({ noNaN: true }), step, scalars, (time, at, values) => {
      const [message] = recordsOf(scalarEvent(time, at, values));
      const decoded = decode(message as Uint8Array);
      expect(decoded).toMatchObject({ wallTime: time, step: at });
      expect(Object.entries(decoded.scalars)).toEqual(Object.entries(values));
    }),
  );
});

describe('the files of a run', () => {
  let results = '';
  beforeEach(async () => {
    results = await mkdtemp(join(tmpdir(), 'vradam-events-'));
  });
  afterEach(() => rm(results, { recursive: true, force: true }));

  async function eventsOf(run: string, optimizer: string): Promise<Decoded[]> {
    const folder = join(results, run, 'tensorboard', optimizer);
    const [file] = await readdir(folder);
    expect(file).toMatch(/^events\.out\.tfevents\.\d{10}\.vradam$/);
    return recordsOf(await readFile(join(folder, file as string))).map(decode);
  }

  test('have the losses of its lines, the steps they are of, and NaN where it failed', async () => {
    await writeSeed(results, 0, { vradam: [3, 2], rmsprop: [4, Number.NaN] });
    const folder = new RunFolder(join(results, 'seed-0'));
    await folder.openEvents('2026-01-01T00:00:00.000Z');
    const [head, ...events] = await eventsOf('seed-0', 'vradam');
    expect(head).toMatchObject({ version: 'brain.Event:2', wallTime: Date.parse('2026-01-01') / 1000 });
    const of = (tag: string) =>
      events.filter(({ scalars }) => tag in scalars).map(({ step, scalars }) => [step, scalars[tag]]);
    expect(of('loss/validation')).toEqual([
      [4, 3],
      [8, 2],
    ]);
    expect(of('loss/test')).toEqual([[8, 2]]);
    expect(of('loss/training').map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    // eight steps of 250 ms
    expect((events.at(-1)?.wallTime ?? 0) - (head?.wallTime ?? 0)).toBeCloseTo(2, 6);
    const failed = (await eventsOf('seed-0', 'rmsprop')).at(-1);
    expect([failed?.step, failed?.scalars['loss/training']]).toEqual([4, Number.NaN]);
  });

  test('are the same whether lines come one by one or all at once, and have what a task adds', async () => {
    await writeSeed(results, 0, { vradam: [3, 2] });
    const folder = new RunFolder(join(results, 'seed-0'));
    await folder.openEvents('2026-01-01T00:00:00.000Z');
    const line: MetricsLine = {
      kind: 'final',
      optimizer: 'vradam',
      testLoss: 1,
      testAccuracy: null,
      metrics: { diversity: 0.5 },
    };
    await folder.append(line);
    const live = await eventsOf('seed-0', 'vradam');
    expect(live.at(-1)?.scalars).toEqual({ 'loss/test': 1, 'diversity/test': 0.5 });
    await folder.openEvents('2026-01-01T00:00:00.000Z');
    expect(await eventsOf('seed-0', 'vradam')).toEqual(live);
  });

  test('are written by run --tensorboard', { timeout: 120_000 }, async () => {
    const args = ['run', 'cifar10-cnn', '--epochs', '1', '--optimizer', 'vradam', '--tensorboard'];
    const { code, output } = await start(...args, '--seeds', '1', '--results', results, '--name', 'run')
      .finished;
    expect(code, output).toBe(0);
    const lines = await new RunFolder(join(results, 'run')).readMetrics();
    const events = await eventsOf('run', 'vradam');
    expect(events).toHaveLength(1 + lines.length);
    const final = lines.at(-1) as { testLoss: number };
    expect(events.at(-1)?.scalars['loss/test']).toBe(Math.fround(final.testLoss));
  });
});
