/**
 * Which of several right forms of a convolution's gradients is the fastest, from sizes alone.
 *
 * The rule is a model of onnxruntime's CPU kernels on one thread, fitted to `bench/convolution.mjs`: its choices take
 * 1 to 3 % longer than the fastest form on average over the shapes there. Costs are in copied elements (0.3 to 0.4 ns),
 * for one image.
 */

import { seen, tileable, tilesOf } from './convWinograd.ts';
import type { KnownCorrelation, KnownWindow } from './correlation.ts';
import { total } from './correlation.ts';

/** Forms of the gradient by the image. */
export type ImageForm = 'turned' | 'transposed';

/** Forms of the gradient by the kernel. */
export type KernelForm = 'conv' | 'columns' | 'taps' | 'products' | 'patches' | 'shifts' | 'rows';

/** Cost of a multiplication in a product of matrices. */
const multiplication = 1 / 20;

/** Columns that the kernels of a product of matrices compute together, needed or not. */
const lanes = 16;
const padded = (columns: number): number => Math.ceil(columns / lanes) * lanes;

/** What a copied element, or a multiplication, inside of a convolution costs. */
const within = 0.9;

function imageCosts(
  w: readonly number[],
  group: number,
  places: { readonly dx: number; readonly dy: number },
): Record<ImageForm, number> {
  const [outputs, channels] = [(w[0] as number) / group, w[1] as number];
  const taps = total(w.slice(2));
  const copies = taps > 1 ? outputs : 0;
  const turned = (copies + (outputs * channels) / 21) * places.dx;
  const transposed = (1.75 * channels + outputs * channels * multiplication) * places.dy;
  return { turned: within * taps * turned, transposed: within * taps * transposed };
}

/**
 * A convolution with turned kernels copies dy for each tap and computes an element of dx in each place; a transposed
 * one computes in the places of dy only, but adds up what it computes for each tap, which takes longer than a copy.
 *
 * @param w - shape of the kernel: outputs, channels of a group, taps by axis.
 * @param places - elements of a channel of dx and of dy; what is unknown may be 1, if both are about equal.
 */
export function imageForm(
  w: readonly number[],
  group: number,
  places: { readonly dx: number; readonly dy: number } = { dx: 1, dy: 1 },
): ImageForm {
  const { turned, transposed } = imageCosts(w, group, places);
  return turned <= transposed ? 'turned' : 'transposed';
}

/** Cost of starting to copy a row of an image. */
const row = 20;
/** More taps than this are not worth as many nodes. */
const mostTaps = 128;
/** Up to so many channels, all taps share a product of matrices. */
const fewChannels = 8;
/** Cost of a multiplication in products of small matrices, one for each image. */
const smallMultiplication = 1 / 16;

/** Elements of one image, of its result, and positions of a window. */
function sizesOf({ windows, w }: KnownCorrelation): { image: number; result: number; positions: number } {
  const [outputs, channels] = w as [number, number];
  const positions = total(windows.map(({ count }) => count));
  return { image: channels * total(windows.map(({ size }) => size)), result: outputs * positions, positions };
}

/** Zeros around an image cost a copy of it. */
const paddingOf = ({ windows }: KnownCorrelation, image: number): number =>
  windows.some(({ pads }) => pads[0] + pads[1] > 0) ? image : 0;

function columnsCost(known: KnownCorrelation): number {
  const [outputs, channels] = known.w as [number, number];
  const { image, positions } = sizesOf(known);
  const { taps } = known;
  const copies = taps > 1 ? paddingOf(known, image) + 2 * taps * channels * positions : 0;
  // a product for each image is written and summed
  const product = outputs * padded(taps * channels) * positions * smallMultiplication;
  return copies + product + taps * channels * outputs;
}

function tapsCost(known: KnownCorrelation): number {
  const [outputs, channels] = known.w as [number, number];
  const { image, result, positions } = sizesOf(known);
  const copies = paddingOf(known, image) + image + result + known.taps * channels * positions;
  return copies + known.taps * outputs * padded(channels) * positions * multiplication;
}

function shiftsCost(known: KnownCorrelation): number {
  const [outputs, channels] = known.w as [number, number];
  const { windows, taps } = known;
  const { image, result, positions } = sizesOf(known);
  const { kernel } = windows.at(-1) as KnownWindow;
  const others = taps / kernel;
  const copies = kernel * image + 2 * others * result;
  const rows = (kernel - 1) * channels * total(windows.slice(0, -1).map(({ size }) => size));
  return copies + rows * row + others * outputs * kernel * padded(channels) * positions * multiplication;
}

function rowsCost(known: KnownCorrelation): number {
  const [outputs, channels] = known.w as [number, number];
  const { image, result } = sizesOf(known);
  const { kernel } = known.windows.at(-1) as KnownWindow;
  const others = known.taps / kernel;
  const length = total(known.windows.map(({ size, pads }) => size + pads[0] + pads[1]));
  const copies = paddingOf(known, image) + kernel * image + (1 + others) * result;
  const rows = (kernel * channels + others * outputs) * row;
  const product = others * outputs * padded(kernel * channels) * length * smallMultiplication;
  return copies + rows + product + known.taps * channels * outputs;
}

/** Windows side by side: the image is a matrix of patches, if its elements change places. */
function arePatches({ windows, w, taps }: KnownCorrelation): boolean {
  const isTiled = windows.every(({ kernel, stride, dilation, pads, count }) => {
    return (kernel === stride || count === 1) && dilation === 1 && pads[0] === 0 && pads[1] === 0;
  });
  // in one patch alone, nothing changes places
  const isWhole = windows.every(({ count }) => count === 1);
  return isTiled && taps > 1 && (isWhole || (w[1] as number) < fewChannels);
}

function kernelCosts(known: KnownCorrelation): [KernelForm, number][] {
  const costs: [KernelForm, number][] = [
    ['columns', columnsCost(known)],
    ['taps', tapsCost(known)],
  ];
  if (known.taps > 1 && known.windows.every(({ stride }) => stride === 1)) {
    const isNarrow = (known.w[1] as number) <= fewChannels;
    costs.push(isNarrow ? ['rows', rowsCost(known)] : ['shifts', shiftsCost(known)]);
  }
  return costs;
}

/** The form of the gradient by the kernel that is expected to be the fastest, besides tiles. */
export function kernelForm(known: KnownCorrelation): KernelForm {
  const { group, w, taps } = known;
  const [outputs, channels] = w as [number, number];
  if (group === 1 && arePatches(known)) return 'patches';
  if (taps > mostTaps) return 'conv';
  if (group > 1) return channels === 1 && outputs === group ? 'products' : 'columns';
  return kernelCosts(known).reduce((best, next) => (next[1] < best[1] ? next : best))[0];
}

/** Cost of reading or writing an element in a product with a small matrix. */
const touch = 0.45;
/** Images of a step, where it is not known how many. */
const usualBatch = 32;

/** Sizes along an axis of a product with a small matrix, from the image or result to the points of its tiles. */
interface Spread {
  readonly size: number;
  readonly points: number;
}

/** Going from one channel to its points or back: its elements change places, then there is a product for each axis. */
function spreadCost(axes: readonly Spread[]): number {
  return axes.reduce(
    (sum, { size, points }, i) => {
      const others = total(axes.map((axis, j) => (j === i ? 1 : j < i ? axis.points : axis.size)));
      return sum + others * (size * points * multiplication + touch * (size + points));
    },
    total(axes.map(({ size }) => size)),
  );
}

/** How products in tiles compare with their multiplications and elements. */
const strain = 0.96;
/** Elements at all points for which tiles take twice as long: they fit in no cache. */
const spacious = 15e6;

/** A convolution in tiles with its gradients; without that by its image, if none is wanted. */
function tilesCost({ windows, w, taps, batch = usualBatch }: KnownCorrelation, withImage: boolean): number {
  const [outputs, channels] = w as [number, number];
  const points = windows.map((window) => seen * tilesOf(window).tiles);
  const spread = (sizes: readonly number[]): number =>
    spreadCost(sizes.map((size, i) => ({ size, points: points[i] as number })));
  const image = channels * spread(windows.map(({ size }) => size));
  const result = outputs * spread(windows.map(({ count }) => count));
  const products = total(points) * outputs * padded(channels) * multiplication;
  const all = seen ** windows.length;
  const kernel = ((taps + all * taps * multiplication + touch * (taps + all)) * outputs * channels) / batch;
  const elements = batch * total(points) * Math.max(outputs, channels);
  const ways = withImage ? 2 : 1;
  return (ways * image + 2 * result + (1 + ways) * products + 2 * kernel) * (strain + elements / spacious);
}

/** The same in its other forms. */
function directCost(known: KnownCorrelation, withImage: boolean): number {
  const { windows, group, w } = known;
  const [dx, dy] = [total(windows.map(({ size }) => size)), total(windows.map(({ count }) => count))];
  const [outputs, channels, ...kernel] = w as [number, number, ...number[]];
  const forward = imageCosts([channels, outputs, ...kernel], group, { dx: dy, dy: dx }).turned;
  const image = Math.min(...Object.values(imageCosts(w, group, { dx, dy })));
  const gradient = Math.min(...kernelCosts(known).map(([, cost]) => cost));
  return forward + gradient + (withImage ? image : 0);
}

/**
 * Whether a convolution and its gradients are expected to be faster in tiles.
 *
 * @param withImage - whether the gradient by its image is wanted.
 */
export function tilesPay(known: KnownCorrelation, withImage: boolean): boolean {
  const canTile = known.windows.every(({ stride, dilation, kernel }) => {
    return stride === 1 && dilation === 1 && tileable(kernel);
  });
  if (known.group > 1 || !canTile || arePatches(known)) return false;
  return tilesCost(known, withImage) < directCost(known, withImage);
}
