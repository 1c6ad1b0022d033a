/** One filter tap along one axis: it reads phase `phase` of the input, `shift` cells away from the output's cell. */
export interface Tap {
  readonly index: number;
  readonly phase: number;
  readonly shift: number;
}

/**
 * One spatial axis of a strided convolution, laid out so that every tap reads the input at a *constant* distance from
 * the output.
 *
 * Output `o` and tap `f` meet input `i = stride * o + f - pad`. With `f - pad = stride * shift + phase` this is
 * `i = stride * (o + shift) + phase`: within the sub-sampled input `phase`, tap `f` reads cell `o + shift`. `cells` is
 * large enough that a read outside the input falls on a zero cell even when the axis is flattened with its neighbours.
 */
export interface GridAxis {
  readonly stride: number;
  readonly inputSize: number;
  readonly outputSize: number;
  readonly cells: number;
  readonly minShift: number;
  readonly maxShift: number;
  readonly taps: readonly Tap[];
}

/**
 * Lays out one axis; all sizes in elements.
 *
 * @param pad - zeros before the input's first element.
 */
export function gridAxis(
  inputSize: number,
  outputSize: number,
  filterSize: number,
  stride: number,
  pad: number,
): GridAxis {
  const taps = Array.from({ length: filterSize }, (_, index): Tap => {
    const shift = Math.floor((index - pad) / stride);
    return { index, shift, phase: index - pad - shift * stride };
  });
  const minShift = Math.min(0, ...taps.map((tap) => tap.shift));
  const maxShift = Math.max(0, ...taps.map((tap) => tap.shift));
  // Reads before the input land in the previous row's tail, reads behind it in this row's own.
  const cells = Math.max(Math.ceil(inputSize / stride) - minShift, outputSize + maxShift);
  return { stride, inputSize, outputSize, cells, minShift, maxShift, taps };
}

/** Number of cells of `axis` that hold input of `phase`: those with `stride * cell + phase < inputSize`. */
export function phaseCells(axis: GridAxis, phase: number): number {
  return Math.max(0, Math.ceil((axis.inputSize - phase) / axis.stride));
}
