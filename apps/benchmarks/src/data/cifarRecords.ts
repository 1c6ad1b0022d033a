import { basename } from 'node:path';
import { benchmarkError } from '../errors.ts';
import { malformedFile, readDecompressed, sha256 } from './bytes.ts';
import type { DataFile } from './images.ts';

/** Bytes of one record: the label, then 1,024 red, 1,024 green and 1,024 blue values, rows from the top. */
export const recordBytes = 1 + 3 * 32 * 32;

/** A file of records, checked. */
export interface RecordFile extends DataFile {
  /** How many records there are. */
  readonly count: number;
  /** The records, `count * recordBytes` bytes. */
  readonly bytes: Uint8Array;
}

// no published file holds more
const rule = { kind: 'a CIFAR-10 file', maxBytes: 10_000 * recordBytes };

/** What is known of a file of this name and size: the hash of its first `records` records. */
interface KnownFile {
  readonly name: string;
  readonly totalRecords: number;
  readonly records: number;
  readonly sha256: string;
}

const trainHead = '0993cf8b8e43bc207603aef9787006995746513f5e3fa5a52e06d1b069926330';
const testHead = '8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5';

const knownFiles: readonly KnownFile[] = [
  { name: 'data_batch_1.bin', totalRecords: 10_000, records: 4_000, sha256: trainHead },
  { name: 'test_batch.bin', totalRecords: 10_000, records: 1_000, sha256: testHead },
  { name: 'train_head4000.bin', totalRecords: 4_000, records: 4_000, sha256: trainHead },
  { name: 'test_head1000.bin', totalRecords: 1_000, records: 1_000, sha256: testHead },
  {
    name: 'jpegq75_train_10000.bin',
    totalRecords: 10_000,
    records: 10_000,
    sha256: '8da035fc1631e8ce5f25904206b8993b0f3ad02a504c0584d662e806fd76c12b',
  },
  {
    name: 'jpegq75_test_2000.bin',
    totalRecords: 2_000,
    records: 2_000,
    sha256: '2b5cb5ff118ff66e6c5a06079f2be90f4477ec25bac30307970e4d386a4d36e9',
  },
];

/**
 * Reads and checks a file of CIFAR-10 records, gzipped or not: the first bytes decide, not the name.
 *
 * @param path - the file.
 * @throws VRAdamError ERR_FILE_FORMAT for bytes that are not whole records with labels 0 to 9, for more than
 *   10,000 records, or for a broken gzip file; ERR_CHECKSUM for a file that has the name and the size of a
 *   published one, but other bytes.
 */
export async function readRecords(path: string): Promise<RecordFile> {
  const name = basename(path);
  const bytes = await readDecompressed(path, rule);
  if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
    throw malformedFile(
      name,
      `a CIFAR-10 file must hold whole records of ${recordBytes} bytes`,
      bytes.length,
    );
  }
  checkLabels(name, bytes);
  const known = checkKnown(name.replace(/\.gz$/, ''), bytes);
  return { name, sha256: sha256(bytes), known, count: bytes.length / recordBytes, bytes };
}

function checkLabels(name: string, bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length; start += recordBytes) {
    const label = bytes[start] as number;
    if (label > 9)
      throw malformedFile(name, `record ${start / recordBytes} must have a label from 0 to 9`, label);
  }
}

/** Whether the whole of the file is vouched for; throws if a part of it is not what it claims to be. */
function checkKnown(name: string, bytes: Uint8Array): boolean {
  const file = knownFiles.find((it) => it.name === name && it.totalRecords * recordBytes === bytes.length);
  if (!file) return false;
  const received = sha256(bytes.subarray(0, file.records * recordBytes));
  if (received === file.sha256) return file.records === file.totalRecords;
  throw benchmarkError('ERR_CHECKSUM', {
    wrong: `the first ${file.records} records of ${name} must have sha256 ${file.sha256}`,
    received,
    action: 'Remove it and fetch it again.',
  });
}
