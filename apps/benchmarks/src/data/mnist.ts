import { basename } from 'node:path';
import { benchmarkError, checkInteger } from '../errors.ts';
import { malformedFile, readDecompressed, sha256 } from './bytes.ts';
import type { ImageLimits } from './cifar10.ts';
import { listFolders } from './folders.ts';
import type { DataFile, ImageDataset, ImageSet } from './images.ts';
import { datasetSources, type SourceContent } from './sources.ts';

const side = 28;
const pictureBytes = side * side;
const mostPictures = 60_000;
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

/** What a file of the IDX format holds, and where its numbers begin. */
interface IdxKind {
  /** First four bytes: unsigned bytes, of one axis or three. */
  readonly magic: number;
  /** Sizes after the first one, which is the number of examples. */
  readonly sizes: readonly number[];
}

const imageFile: IdxKind = { magic: 0x803, sizes: [side, side] };
const labelFile: IdxKind = { magic: 0x801, sizes: [] };

/** Name without `.gz` to published content. */
const published: ReadonlyMap<string, SourceContent> = new Map(
  datasetSources.mnist.files.flatMap(({ name, content }) =>
    content ? [[name.replace(/\.gz$/, ''), content] as const] : [],
  ),
);

const names = {
  train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
  test: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
} as const;

/** A file, checked. */
interface IdxFile extends DataFile {
  readonly count: number;
  /** The numbers without the header. */
  readonly values: Uint8Array;
}

/** Number of examples that a header tells; throws unless it is one of that kind and the length fits. */
function parseHeader(name: string, bytes: Uint8Array, { magic, sizes }: IdxKind): number {
  const length = 4 * (2 + sizes.length);
  if (bytes.length < length) throw malformedFile(name, `it must begin with ${length} bytes`, bytes.length);
  const header = new DataView(bytes.buffer, bytes.byteOffset, length);
  if (header.getUint32(0) !== magic)
    throw malformedFile(name, `its magic number must be ${magic}`, header.getUint32(0));
  const count = header.getUint32(4);
  const wrong = sizes.findIndex((size, i) => header.getUint32(8 + 4 * i) !== size);
  if (wrong >= 0)
    throw malformedFile(
      name,
      `its pictures must be of ${sizes.join(' x ')} pixels`,
      header.getUint32(8 + 4 * wrong),
    );
  const expected = length + sizes.reduce((product, size) => product * size, count);
  if (bytes.length !== expected)
    throw malformedFile(name, `with ${count} examples it must have ${expected} bytes`, bytes.length);
  return count;
}

/** Whether a published checksum vouches for a file; throws for other bytes of the published size. */
function checkKnown(name: string, bytes: Uint8Array, hash: string): boolean {
  const content = published.get(name.replace(/\.gz$/, ''));
  if (content?.bytes !== bytes.length) return false;
  if (content.sha256 === hash) return true;
  throw benchmarkError('ERR_CHECKSUM', {
    wrong: `${name}, decompressed, must have sha256 ${content.sha256}`,
    received: hash,
    action: 'Remove it and fetch it again.',
  });
}

async function readIdx(path: string, kind: IdxKind): Promise<IdxFile> {
  const name = basename(path);
  const maxBytes = 16 + mostPictures * kind.sizes.reduce((product, size) => product * size, 1);
  const bytes = await readDecompressed(path, { kind: 'an MNIST file', maxBytes });
  const count = parseHeader(name, bytes, kind);
  const hash = sha256(bytes);
  const values = bytes.subarray(4 * (2 + kind.sizes.length));
  return { name, sha256: hash, known: checkKnown(name, bytes, hash), count, values };
}

function checkLabels({ name, values }: IdxFile): void {
  const wrong = values.findIndex((label) => label > 9);
  if (wrong >= 0) throw malformedFile(name, `label ${wrong} must be from 0 to 9`, values[wrong]);
}

function toImageSet(images: IdxFile, labels: IdxFile, limit: number): ImageSet {
  if (images.count !== labels.count)
    throw malformedFile(
      labels.name,
      `there must be a label for each of ${images.count} pictures`,
      labels.count,
    );
  checkLabels(labels);
  const count = Math.min(images.count, limit);
  return {
    count,
    images: images.values.slice(0, count * pictureBytes),
    labels: labels.values.slice(0, count),
  };
}

/** Paths of the four files, from the first folder that has all of them. */
async function findFiles(directory: string): Promise<(name: string) => string> {
  const wanted = Object.values(names).flatMap(({ images, labels }) => [images, labels]);
  const folders = await listFolders(directory, ['mnist']);
  const missing = folders.map((folder) => wanted.filter((name) => !folder.has(name)));
  const found = folders.find((_, i) => missing[i]?.length === 0);
  if (found) return (name) => found.get(name) as string;
  const incomplete = missing.find(({ length }) => length < wanted.length);
  throw benchmarkError('ERR_DATA_NOT_FOUND', {
    wrong: incomplete ? `MNIST lacks ${incomplete.join(', ')}` : 'no MNIST files were found',
    received: directory,
    action: `Name the folder that holds ${wanted.join(', ')}, or fetch mnist.`,
  });
}

/**
 * Reads MNIST from its four IDX files, gzipped or not, as shape `[1, 28, 28]` bytes: 0 is paper, 255 is ink. Looks in
 * `directory` and in its `mnist`.
 *
 * @param directory - the folder that holds the files, or their folder.
 * @param limits - the most pictures to read; the first ones are taken.
 * @throws VRAdamError ERR_DATA_NOT_FOUND without all four files, ERR_FILE_FORMAT for one that is not what its name says,
 *   ERR_CHECKSUM for one that differs from the published file of its name and size, ERR_FILE_SYSTEM for one that cannot
 *   be read, ERR_OPTION_RANGE for a limit out of its range.
 */
export async function loadMnist(directory: string, limits: ImageLimits = {}): Promise<ImageDataset> {
  const most = { train: mostPictures, test: mostPictures, ...limits };
  checkInteger('train', most.train, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('test', most.test, 0, Number.MAX_SAFE_INTEGER);
  const path = await findFiles(directory);
  const files: IdxFile[] = [];
  const read = async (split: 'train' | 'test'): Promise<ImageSet> => {
    const images = await readIdx(path(names[split].images), imageFile);
    const labels = await readIdx(path(names[split].labels), labelFile);
    files.push(images, labels);
    return toImageSet(images, labels, most[split]);
  };
  const [train, test] = [await read('train'), await read('test')];
  const unknown = files.filter(({ known }) => !known).length;
  const line = `MNIST; ${train.count} training and ${test.count} test pictures`;
  return {
    name: 'mnist',
    source: unknown === 0 ? line : `${line}; ${unknown} of ${files.length} files without a known checksum`,
    synthetic: false,
    shape: [1, side, side],
    classes,
    train,
    test,
    files: files.map(({ name, sha256: hash, known }) => ({ name, sha256: hash, known })),
  };
}
