export { loadCifar10 } from './cifar10.ts';
export type { Progress } from './download.ts';
export { fetchDataset } from './fetch.ts';
export type { ImageDataset, ImageSet } from './images.ts';
export { loadImages } from './load.ts';
export { type DatasetName, datasetSources } from './sources.ts';
export { syntheticImages } from './synthetic.ts';
export { loadMobyDick, loadText, loadWikitext2, type TextDataset } from './text.ts';
export { spacedWords, treebankWords } from './words.ts';
