import type { Random } from '../random.ts';

/** A number for every point of the plane; x grows to the right, y downwards. */
export type Field = (x: number, y: number) => number;

/** Red, green and blue, each in [0, 1]. */
export type Colour = readonly [red: number, green: number, blue: number];

/** Where a thing lies, which way it is turned, and how large one of its units is, in pixels. */
export interface Pose {
  readonly x: number;
  readonly y: number;
  readonly direction: readonly [cosine: number, sine: number];
  readonly size: number;
}

const length = (x: number, y: number) => Math.sqrt(x * x + y * y);
const box = (x: number, y: number, halfWidth: number, halfHeight: number) =>
  Math.max(Math.abs(x) - halfWidth, Math.abs(y) - halfHeight);

/**
 * The five outlines, as signed distances in units of a radius of about 1: negative inside. Their areas are
 * alike, so that brightness alone does not tell them apart.
 */
export const outlines: Readonly<Record<'disc' | 'ring' | 'square' | 'triangle' | 'cross', Field>> = {
  disc: (x, y) => length(x, y) - 0.86,
  ring: (x, y) => Math.abs(length(x, y) - 0.71) - 0.31,
  square: (x, y) => box(x, y, 0.76, 0.76),
  triangle: (x, y) => Math.max((Math.sqrt(3) / 2) * Math.abs(x) - y / 2, y) - 0.62,
  cross: (x, y) => Math.min(box(x, y, 1.05, 0.35), box(x, y, 0.35, 1.05)),
};

/** The two textures, one period a unit, values in [-1, 1] with soft edges, half of the area each. */
export const textures: Readonly<Record<'striped' | 'checked', Field>> = {
  striped: (x, _y) => edge(x),
  checked: (x, y) => edge(x) * edge(y),
};

/** A triangle wave of period 1, steepened until most of it lies at -1 or 1. */
function edge(x: number): number {
  const wave = 4 * Math.abs(x - Math.floor(x) - 0.5) - 1;
  return clamp(2.5 * wave, -1, 1);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Moves, turns and scales a field: the result is in pixels, `field` in the pose's own units. */
export function place(field: Field, { x, y, direction: [cosine, sine], size }: Pose): Field {
  const c = cosine / size;
  const s = sine / size;
  return (px, py) => field(c * (px - x) + s * (py - y), c * (py - y) - s * (px - x));
}

/** How much of the pixel round a point the outline covers, 0 to 1: an edge is as soft as `blur` pixels. */
export function cover(outline: Field, pose: Pose, blur: number): Field {
  const distance = place(outline, pose);
  return (x, y) => clamp(0.5 - (distance(x, y) * pose.size) / blur, 0, 1);
}

/**
 * Smooth noise: random heights on a square grid, blended between its corners.
 *
 * @param random - gives the heights.
 * @param extent - the field is defined on [0, extent) in both directions.
 * @param cells - how many grid cells that is; more cells, finer noise.
 * @returns values in [0, 1].
 */
export function clouds(random: Random, extent: number, cells: number): Field {
  const side = cells + 1;
  const heights = Float64Array.from({ length: side * side }, () => random.next());
  const height = (column: number, row: number) => heights[row * side + column] ?? 0;
  return (x, y) => {
    const column = Math.floor((x * cells) / extent);
    const row = Math.floor((y * cells) / extent);
    const right = smooth((x * cells) / extent - column);
    const top = mix(height(column, row), height(column + 1, row), right);
    const bottom = mix(height(column, row + 1), height(column + 1, row + 1), right);
    return mix(top, bottom, smooth((y * cells) / extent - row));
  };
}

/** The point between `from` (share 0) and `to` (share 1). */
export function mix(from: number, to: number, share: number): number {
  return from + share * (to - from);
}

function smooth(share: number): number {
  return share * share * (3 - 2 * share);
}

/**
 * A colour from the double cone of hue, saturation and lightness.
 *
 * @param hue - in turns, any number: 0 red, 1/3 green, 2/3 blue.
 * @param saturation - 0 (grey) to 1.
 * @param lightness - 0 (black) to 1 (white).
 */
export function colour(hue: number, saturation: number, lightness: number): Colour {
  const chroma = saturation * Math.min(lightness, 1 - lightness);
  const channel = (offset: number) => {
    const turn = hue - Math.floor(hue);
    const k = (offset + 12 * turn) % 12;
    return lightness - chroma * clamp(Math.min(k - 3, 9 - k), -1, 1);
  };
  return [channel(0), channel(8), channel(4)];
}
