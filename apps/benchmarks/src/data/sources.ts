/** Name of a dataset that can be fetched. */
export type DatasetName = 'cifar10' | 'mnist' | 'wikitext-2';

/** A file to download, and how to know that it is the right one. */
export interface SourceFile {
  /** File name to store it under; no folders. */
  readonly name: string;
  /** Where to get it, best first: http or https. */
  readonly urls: readonly string[];
  /** Size of the published file in bytes. */
  readonly bytes: number;
  /** SHA-256 of the published file, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** What a gzip file decompresses to. Where it is given, a copy that was compressed anew is accepted too. */
  readonly content?: SourceContent;
}

/** The decompressed bytes of a gzip file. */
export interface SourceContent {
  /** Their number. */
  readonly bytes: number;
  /** Their SHA-256. */
  readonly sha256: string;
}

/** What to take out of a downloaded archive. */
export interface SourceArchive {
  /** How the archive is packed. */
  readonly format: 'tar.gz' | 'zip';
  /** The folder inside the archive that holds the files. */
  readonly from: string;
  /** The folder they go to, inside the dataset's folder; `.` is that folder itself. */
  readonly to: string;
  /** The files to take. Anything else in the archive stays there. */
  readonly files: readonly ArchivedFile[];
}

/** A file inside an archive. */
export interface ArchivedFile {
  /** File name; no folders. */
  readonly name: string;
  /** The largest size in bytes that is accepted. */
  readonly maxBytes: number;
}

/** Everything needed to fetch a dataset. */
export interface DatasetSource {
  /** The files to download. */
  readonly files: readonly SourceFile[];
  /** Set where the first of `files` is an archive to unpack. */
  readonly archive?: SourceArchive;
}

const mnistMirrors = [
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
];

function mnistFile(name: string, bytes: number, sha256: string, content: SourceContent): SourceFile {
  return { name, urls: mnistMirrors.map((mirror) => mirror + name), bytes, sha256, content };
}

const cifarFiles = [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`).concat('test_batch.bin');
const wikitextFiles = ['wiki.train.raw', 'wiki.valid.raw', 'wiki.test.raw'];

/** The published archives: addresses, sizes and checksums, by dataset. */
export const datasetSources: Readonly<Record<DatasetName, DatasetSource>> = {
  cifar10: {
    files: [
      {
        name: 'cifar-10-binary.tar.gz',
        urls: [
          'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
          'https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz',
          'https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz',
        ],
        bytes: 170_052_171,
        sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
      },
    ],
    archive: {
      format: 'tar.gz',
      from: 'cifar-10-batches-bin',
      to: 'cifar-10-batches-bin',
      files: cifarFiles.map((name) => ({ name, maxBytes: 30_730_000 })),
    },
  },
  mnist: {
    files: [
      mnistFile(
        'train-images-idx3-ubyte.gz',
        9_912_422,
        '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
        { bytes: 47_040_016, sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db' },
      ),
      mnistFile(
        'train-labels-idx1-ubyte.gz',
        28_881,
        '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
        { bytes: 60_008, sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5' },
      ),
      mnistFile(
        't10k-images-idx3-ubyte.gz',
        1_648_877,
        '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
        { bytes: 7_840_016, sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7' },
      ),
      mnistFile(
        't10k-labels-idx1-ubyte.gz',
        4_542,
        'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
        { bytes: 10_008, sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2' },
      ),
    ],
  },
  'wikitext-2': {
    files: [
      {
        name: 'wikitext-2-raw-v1.zip',
        urls: [
          'https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-2-raw-v1.zip',
          'https://huggingface.co/datasets/ggml-org/ci/resolve/main/wikitext-2-raw-v1.zip',
        ],
        bytes: 4_721_645,
        sha256: 'ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11',
      },
    ],
    archive: {
      format: 'zip',
      from: 'wikitext-2-raw',
      to: '.',
      files: wikitextFiles.map((name) => ({ name, maxBytes: 20_000_000 })),
    },
  },
};
