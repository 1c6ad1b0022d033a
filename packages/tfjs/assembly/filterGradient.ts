/**
 * The gradient of a convolution by its filter, over images that lie in memory with their zeros around them.
 *
 * AssemblyScript: arrays are addresses, steps are bytes, and all numbers but the sums are float32. In such an image the
 * taps of one filter row are neighbours in memory, channels and all: a window's row is read where it is, never copied.
 */

/** Output channels that are summed at a time: two registers. A pixel's share of them is 32 bytes of a panel. */
const CHANNELS: i32 = 8;
/** Taps that are summed at a time: six sums stay in registers beside what they are made of. */
const TAPS: i32 = 3;

/** Copies `CHANNELS` output channels of every pixel side by side: each filter row reads them again and again. */
@inline
function pack(
  dy: usize,
  panel: usize,
  images: i32,
  rows: i32,
  columns: i32,
  image: i32,
  channels: i32,
): void {
  for (let i = 0; i < images; i++) {
    let from = dy + <usize>(i * image);
    for (let pixel = rows * columns; pixel > 0; pixel--) {
      v128.store(panel, v128.load(from));
      v128.store(panel, v128.load(from, 16), 16);
      panel += CHANNELS << 2;
      from += <usize>(channels << 2);
    }
  }
}

/** Adds four float32 to four float64. */
@inline
function add(sums: usize, terms: v128): void {
  const upper = v128.shuffle<f32>(terms, terms, 2, 3, 0, 1);
  v128.store(sums, f64x2.add(v128.load(sums), f64x2.promote_low_f32x4(terms)));
  v128.store(sums, f64x2.add(v128.load(sums, 16), f64x2.promote_low_f32x4(upper)), 16);
}

/**
 * `sums[f, t, k] += sum over i, r, c of x[i, r, c, f, t] dy[i, r, c, k]`, in float32 within a call.
 *
 * It reads and sums whole groups of {@link TAPS} and {@link CHANNELS}, so up to 8 bytes behind a filter row's taps and 28
 * behind a pixel's channels; what it makes of them goes to places of `sums` that mean nothing. Over 40 lines: one loop in
 * another, down to the one whose sums stay in registers.
 *
 * @param x - window of the first output.
 * @param panel - room for `images * rows * columns * CHANNELS` float32.
 * @param sums - float64, [filterRows, taps, channels] with the last two rounded up to whole groups.
 * @param xFilterRow - from a filter row's taps to the next one's.
 * @param taps - float32 in a filter row: its columns times the input channels.
 */
export function filterGradient(
  x: usize,
  dy: usize,
  panel: usize,
  sums: usize,
  images: i32,
  rows: i32,
  columns: i32,
  xImage: i32,
  xRow: i32,
  xColumn: i32,
  dyImage: i32,
  filterRows: i32,
  xFilterRow: i32,
  taps: i32,
  channels: i32,
): void {
  const zero = f32x4.splat(0);
  const tapSums = ((channels + CHANNELS - 1) / CHANNELS) * CHANNELS * 8;
  for (let k = 0; k < channels; k += CHANNELS) {
    pack(dy + <usize>(k << 2), panel, images, rows, columns, dyImage, channels);
    let sum = sums + <usize>(k << 3);
    for (let f = 0; f < filterRows; f++) {
      for (let t = 0; t < taps; t += TAPS) {
        let a = zero;
        let b = zero;
        let c = zero;
        let a2 = zero;
        let b2 = zero;
        let c2 = zero;
        let gradient = panel;
        for (let i = 0; i < images; i++) {
          for (let r = 0; r < rows; r++) {
            let input = x + <usize>(i * xImage + r * xRow + f * xFilterRow + (t << 2));
            const end = gradient + <usize>(columns * CHANNELS * 4);
            while (gradient < end) {
              const low = v128.load(gradient);
              const high = v128.load(gradient, 16);
              const first = v128.load32_splat(input);
              const second = v128.load32_splat(input, 4);
              const third = v128.load32_splat(input, 8);
              a = f32x4.add(a, f32x4.mul(first, low));
              a2 = f32x4.add(a2, f32x4.mul(first, high));
              b = f32x4.add(b, f32x4.mul(second, low));
              b2 = f32x4.add(b2, f32x4.mul(second, high));
              c = f32x4.add(c, f32x4.mul(third, low));
              c2 = f32x4.add(c2, f32x4.mul(third, high));
              gradient += CHANNELS << 2;
              input += <usize>xColumn;
            }
          }
        }
        add(sum, a);
        add(sum + 32, a2);
        sum += <usize>tapSums;
        add(sum, b);
        add(sum + 32, b2);
        sum += <usize>tapSums;
        add(sum, c);
        add(sum + 32, c2);
        sum += <usize>tapSums;
      }
    }
  }
}
