import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { benchmarkError, fileSystemError } from '../errors.ts';
import { type DownloadOptions, downloadFile } from './download.ts';
import { extractArchive } from './extract.ts';
import { type DatasetName, type DatasetSource, datasetSources } from './sources.ts';

/** Options of {@link fetchDataset}. */
export interface FetchOptions extends DownloadOptions {
  /** Other addresses, sizes or checksums than the published ones, by dataset. */
  readonly sources?: Partial<Record<DatasetName, DatasetSource>>;
}

/**
 * Downloads a dataset, verifies it and unpacks it: `cifar10` to `DIR/cifar10/cifar-10-batches-bin/*.bin`,
 * `mnist` to `DIR/mnist/*.gz`, `wikitext-2` to `DIR/wikitext-2/wiki.{train,valid,test}.raw`. What is there
 * already and genuine is not fetched again; what was interrupted goes on where it stopped. Archives are
 * kept.
 *
 * @param name - which dataset.
 * @param directory - the folder `DIR`; made if need be.
 * @param options - progress, cancellation, patience, other sources.
 * @returns the dataset's folder, `DIR/name`.
 * @throws VRAdamError ERR_OPTION_RANGE for an unknown name, ERR_FILE_FORMAT for an archive that is broken or
 *   unsafe, and the codes of {@link downloadFile}.
 */
export async function fetchDataset(
  name: DatasetName,
  directory: string,
  options: FetchOptions = {},
): Promise<string> {
  const { sources, ...downloadOptions } = options;
  const { files, archive } = findSource(name, sources);
  const folder = join(directory, name);
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw fileSystemError(folder, cause);
  });
  const paths: string[] = [];
  for (const file of files) paths.push(await downloadFile(file, folder, downloadOptions));
  if (archive !== undefined) await extractArchive(paths[0] as string, archive, folder);
  return folder;
}

function findSource(name: DatasetName, sources: FetchOptions['sources'] = {}): DatasetSource {
  const source = Object.hasOwn(datasetSources, name) ? (sources[name] ?? datasetSources[name]) : undefined;
  if (source !== undefined) return source;
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: 'the dataset is not one that can be fetched',
    received: name,
    action: `Name one of ${Object.keys(datasetSources).join(', ')}.`,
  });
}
