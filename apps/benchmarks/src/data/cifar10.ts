import { join } from 'node:path';
import { benchmarkError, checkInteger } from '../errors.ts';
import { type RecordFile, readRecords, recordBytes } from './cifarRecords.ts';
import { listFolders } from './folders.ts';
import type { DataFile, ImageDataset, ImageSet } from './images.ts';

/** How many pictures to read at most; all of them where a number is left out. */
export interface ImageLimits {
  /** Training pictures; a whole number, 0 or more. */
  readonly train?: number;
  /** Test pictures; same range. */
  readonly test?: number;
}

/**
 * Files that belong together: names, or paths once found. Editions differ by more than noise: never mix
 * them.
 */
interface Edition {
  readonly description: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
}

// The best edition first.
const editions: readonly Edition[] = [
  {
    description: 'CIFAR-10, the six published files',
    train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
    test: ['test_batch.bin'],
  },
  {
    description: 'CIFAR-10, lossless, but only the first pictures of the published files',
    train: ['train_head4000.bin'],
    test: ['test_head1000.bin'],
  },
  {
    description:
      'CIFAR-10 decoded from JPEG copies of quality 75: lossy, not comparable with published results',
    train: ['jpegq75_train_10000.bin'],
    test: ['jpegq75_test_2000.bin'],
  },
];

const classes = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

/**
 * Reads CIFAR-10 from the standard binary records, gzipped or not, as shape `[3, 32, 32]` bytes.
 *
 * Looks in `directory` and in its `cifar10`, `cifar-10-batches-bin` and `cifar10/cifar-10-batches-bin`.
 * Takes the six published files where they are complete, else the lossless first pictures (`train_head4000`,
 * `test_head1000`), else copies that were made from JPEG, and then `source` says so.
 *
 * @param directory - the folder that holds the files, or their folder.
 * @param limits - the most pictures to read; the first ones are taken.
 * @throws VRAdamError ERR_DATA_NOT_FOUND without a complete set of files, ERR_FILE_FORMAT for a file that is
 *   not made of records, ERR_CHECKSUM for one that differs from the published file of its name and size,
 *   ERR_FILE_SYSTEM for one that cannot be read, ERR_OPTION_RANGE for a limit out of its range.
 */
export async function loadCifar10(directory: string, limits: ImageLimits = {}): Promise<ImageDataset> {
  const { train: trainLimit = 50_000, test: testLimit = 50_000 } = limits;
  checkInteger('train', trainLimit, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('test', testLimit, 0, Number.MAX_SAFE_INTEGER);
  const edition = await findEdition(directory);
  const trainFiles = await readFiles(edition.train, trainLimit);
  const testFiles = await readFiles(edition.test, testLimit);
  const train = toImageSet(trainFiles, trainLimit);
  const test = toImageSet(testFiles, testLimit);
  const files = [...trainFiles, ...testFiles].map(({ name, sha256, known }) => ({ name, sha256, known }));
  const source = describe(edition, train, test, files);
  return { name: 'cifar10', source, synthetic: false, shape: [3, 32, 32], classes, train, test, files };
}

function describe({ description }: Edition, train: ImageSet, test: ImageSet, files: DataFile[]): string {
  const line = `${description}; ${train.count} training and ${test.count} test pictures`;
  const unknown = files.filter(({ known }) => !known).length;
  return unknown === 0 ? line : `${line}; ${unknown} of ${files.length} files without a known checksum`;
}

const published = 'cifar-10-batches-bin';
const nested = ['cifar10', published, join('cifar10', published)];

async function findEdition(directory: string): Promise<Edition> {
  const folders = await listFolders(directory, nested);
  const incomplete: string[][] = [];
  for (const { description, train, test } of editions) {
    for (const folder of folders) {
      const missing = [...train, ...test].filter((name) => !folder.has(name));
      const path = (name: string) => folder.get(name) as string;
      if (missing.length === 0) return { description, train: train.map(path), test: test.map(path) };
      if (missing.length < train.length + test.length) incomplete.push(missing);
    }
  }
  throw notFound(directory, incomplete[0]);
}

function notFound(directory: string, missing: readonly string[] | undefined): Error {
  return benchmarkError('ERR_DATA_NOT_FOUND', {
    wrong: missing ? `CIFAR-10 lacks ${missing.join(', ')}` : 'no CIFAR-10 records were found',
    received: directory,
    action:
      'Name the folder that holds data_batch_1.bin to data_batch_5.bin and test_batch.bin, or fetch cifar10.',
  });
}

async function readFiles(paths: readonly string[], limit: number): Promise<RecordFile[]> {
  const files: RecordFile[] = [];
  let count = 0;
  for (const path of paths) {
    if (count >= limit) break;
    const file = await readRecords(path);
    files.push(file);
    count += file.count;
  }
  return files;
}

function toImageSet(files: readonly RecordFile[], limit: number): ImageSet {
  const available = files.reduce((sum, file) => sum + file.count, 0);
  const count = Math.min(available, limit);
  const labels = new Uint8Array(count);
  const images = new Uint8Array(count * (recordBytes - 1));
  let index = 0;
  for (const { bytes } of files) {
    for (let start = 0; start < bytes.length && index < count; start += recordBytes, index++) {
      labels[index] = bytes[start] as number;
      images.set(bytes.subarray(start + 1, start + recordBytes), index * (recordBytes - 1));
    }
  }
  return { count, images, labels };
}
