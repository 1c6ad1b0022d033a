/**
 * Which of several right forms of a convolution's gradients is the fastest, from sizes alone.
 *
 * The rule is a model of onnxruntime's CPU kernels on one thread, fitted to `bench/convolution.mjs`: its choices take
 * 1 to 3 % longer than the fastest form on average over the shapes there. Costs are in copied elements (about 0.4 ns),
 * for one image.
 */

import type { KnownCorrelation, KnownWindow } from './correlation.ts';
import { total } from './correlation.ts';

/** Forms of the gradient by the image. */
export type ImageForm = 'turned' | 'transposed';

/** Forms of the gradient by the kernel. */
export type KernelForm = 'conv' | 'columns' | 'taps' | 'products' | 'patches' | 'shifts' | 'rows';

/** Cost of a multiplication in a product of matrices. */
const multiplication = 1 / 20;

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
  const [outputs, channels] = [(w[0] as number) / group, w[1] as number];
  const taps = total(w.slice(2));
  const copies = taps > 1 ? outputs : 0;
  const turned = (copies + (outputs * channels) / 21) * places.dx;
  const transposed = (1.75 * channels + outputs * channels * multiplication) * places.dy;
  return turned <= transposed ? 'turned' : 'transposed';
}

/** Cost of starting to copy a row of an image. */
const row = 20;
/** Columns that the kernels of a product of matrices compute together, needed or not. */
const lanes = 16;
const padded = (columns: number): number => Math.ceil(columns / lanes) * lanes;
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

/** The form of the gradient by the kernel that is expected to be the fastest. */
export function kernelForm(known: KnownCorrelation): KernelForm {
  const { windows, group, w, taps } = known;
  const [outputs, channels] = w as [number, number];
  if (group === 1 && arePatches(known)) return 'patches';
  if (taps > mostTaps) return 'conv';
  if (group > 1) return channels === 1 && outputs === group ? 'products' : 'columns';
  const costs: [KernelForm, number][] = [
    ['columns', columnsCost(known)],
    ['taps', tapsCost(known)],
  ];
  if (taps > 1 && windows.every(({ stride }) => stride === 1))
    costs.push(channels <= fewChannels ? ['rows', rowsCost(known)] : ['shifts', shiftsCost(known)]);
  return costs.reduce((best, next) => (next[1] < best[1] ? next : best))[0];
}
