import { shuffler } from 'd3-array';
import { checkInteger } from '../errors.ts';
import { openRandom, type Random } from '../random.ts';
import { outlines, textures } from './fields.ts';
import type { ImageDataset, ImageSet } from './images.ts';
import { drawPicture, type Kind, side } from './scene.ts';
import { digitSide, writeDigit } from './strokes.ts';

/** What to generate. */
export interface SyntheticOptions {
  /** Decides every pixel. A whole number from 0 to 2^32 - 1. */
  readonly seed: number;
  /** How many training pictures; a whole number from 0 to 100,000. */
  readonly train: number;
  /** How many test pictures; same range. */
  readonly test: number;
}

const pictureBytes = 3 * side * side;
const largestSet = 100_000;

const kinds: readonly Kind[] = Object.entries(outlines).flatMap(([outlineName, outline]) =>
  Object.entries(textures).map(([textureName, texture]) => ({
    name: `${textureName} ${outlineName}`,
    outline,
    texture,
  })),
);

/**
 * Draws a ten-class set of 32x32 colour pictures: one of five outlines filled with one of two textures,
 * moved, scaled and turned, in any colours, before a cloudy background, partly hidden now and then, under
 * noise.
 *
 * Colours, light and place are drawn alike for every class: a model has to see outlines and textures. On
 * 2,000 pictures a linear classifier learns to name about a fifth of new ones; a small convolutional
 * network, four fifths within five epochs. The first n pictures of a seed are the same whatever the counts
 * are, and every class comes once in each ten of them.
 *
 * @param options - seed and counts.
 * @returns the dataset, the same bytes on every machine.
 * @throws VRAdamError ERR_OPTION_RANGE for a seed or a count out of its range.
 */
export function syntheticImages({ seed, train, test }: SyntheticOptions): ImageDataset {
  checkOptions({ seed, train, test });
  return {
    name: 'synthetic',
    source: `synthetic pictures of textured shapes, generated from seed ${seed}; not a published dataset`,
    synthetic: true,
    shape: [3, side, side],
    classes: kinds.map((kind) => kind.name),
    ...drawSplits(scenes, { seed, train, test }),
    files: [],
  };
}

/**
 * Writes digits of 28x28 pixels with a pen, black paper and white ink as in MNIST: ten shapes, some of them in two
 * ways, bent, slanted, moved, in any size and thickness of line.
 *
 * The first n pictures of a seed are the same whatever the counts are, and every digit comes once in each ten of them.
 *
 * @param options - seed and counts.
 * @returns the dataset, the same bytes on every machine.
 * @throws VRAdamError ERR_OPTION_RANGE for a seed or a count out of its range.
 */
export function syntheticDigits(options: SyntheticOptions): ImageDataset {
  checkOptions(options);
  return {
    name: 'synthetic-digits',
    source: `synthetic digits, written by strokes from seed ${options.seed}; not a published dataset`,
    synthetic: true,
    shape: [1, digitSide, digitSide],
    classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    ...drawSplits({ bytes: digitSide * digitSide, draw: writeDigit }, options),
    files: [],
  };
}

function checkOptions({ seed, train, test }: SyntheticOptions): void {
  checkInteger('seed', seed, 0, 2 ** 32 - 1);
  checkInteger('train', train, 0, largestSet);
  checkInteger('test', test, 0, largestSet);
}

/** What draws a picture of a class, and how many bytes that is. */
interface Painter {
  readonly bytes: number;
  draw(random: Random, label: number, out: Uint8ClampedArray): void;
}

const scenes: Painter = {
  bytes: pictureBytes,
  draw: (random, label, out) => drawPicture(random, kinds[label] as Kind, out),
};

function drawSplits(painter: Painter, { seed, train, test }: SyntheticOptions) {
  return {
    train: drawSet(painter, openRandom(seed, 0), openRandom(seed, 1), train),
    test: drawSet(painter, openRandom(seed, 2), openRandom(seed, 3), test),
  };
}

/** Labels have a stream of their own: else the pictures would depend on how many are asked for. */
function drawSet({ bytes, draw }: Painter, random: Random, labelRandom: Random, count: number): ImageSet {
  const images = new Uint8ClampedArray(count * bytes);
  const labels = drawLabels(labelRandom, count);
  labels.forEach((label, i) => {
    draw(random, label, images.subarray(i * bytes, (i + 1) * bytes));
  });
  return { count, images: new Uint8Array(images.buffer), labels };
}

/** Shuffled tens, so that every prefix is as balanced as its length allows. */
function drawLabels(random: Random, count: number): Uint8Array {
  const shuffle = shuffler(random.next);
  const labels = Uint8Array.from({ length: count + kinds.length }, (_, i) => i % kinds.length);
  for (let i = 0; i < count; i += kinds.length) shuffle(labels, i, i + kinds.length);
  return labels.slice(0, count);
}
