export { type ImageLimits, loadCifar10 } from './cifar10.ts';
export type { DownloadOptions, Progress } from './download.ts';
export { type FetchOptions, fetchDataset } from './fetch.ts';
export type { DataFile, ImageDataset, ImageSet } from './images.ts';
export { type LoadImagesOptions, loadImages } from './load.ts';
export {
  type ArchivedFile,
  type DatasetName,
  type DatasetSource,
  datasetSources,
  type SourceArchive,
  type SourceContent,
  type SourceFile,
} from './sources.ts';
export { type SyntheticOptions, syntheticImages } from './synthetic.ts';
