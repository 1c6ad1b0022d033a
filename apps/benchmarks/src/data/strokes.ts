import type { Random } from '../random.ts';

/** A point of the unit square; x grows to the right, y downwards. */
type Point = readonly [x: number, y: number];

/** A line of the pen through points, bent smoothly between them. */
type Stroke = readonly Point[];

/** Ways of writing one digit: chance takes one of them. */
type Glyph = readonly (readonly Stroke[])[];

/** Height and width of a picture of a digit, in pixels. */
export const digitSide = 28;

/** Points of a stroke from percents, x and y in turn. */
function stroke(percents: string): Stroke {
  const numbers = percents.split(' ').map((percent) => Number(percent) / 100);
  return Array.from({ length: numbers.length / 2 }, (_, i): Point => {
    return [numbers[2 * i] as number, numbers[2 * i + 1] as number];
  });
}

/** The ten digits, as a hand writes them: ways apart by a bar, their strokes by commas. */
const written = [
  '50 5 77 22 80 60 54 95 24 78 20 36 50 5',
  '52 5 50 50 48 95|52 5 50 50 48 95,33 26 43 17 52 5',
  '22 28 38 7 68 10 74 34 50 64 22 92,22 92 50 89 80 92|22 25 50 5 74 26 54 60 26 88 30 74 50 86 80 92',
  '25 14 52 5 74 20 62 42 42 47,42 47 70 54 78 75 55 95 22 86',
  '32 8 22 38 24 55 50 57 80 53,68 10 65 50 62 95|60 5 40 35 18 62,18 62 50 62 84 60,60 5 62 50 61 95',
  '76 8 50 8 32 10,32 10 29 28 27 45,27 45 52 38 75 54 73 78 50 95 22 87',
  '66 5 40 25 25 60 38 92 66 90 74 68 56 52 34 60 28 74',
  '20 12 50 10 78 10,78 10 58 45 42 95|20 12 50 10 78 10,78 10 58 45 42 95,36 52 52 50 70 48',
  '50 48 29 30 34 9 56 5 71 18 66 36 50 48 32 60 25 80 48 95 73 84 70 62 50 48',
  '72 26 56 6 33 13 27 36 46 50 66 40 72 26,72 26 71 60 60 95',
];

const glyphs: readonly Glyph[] = written.map((digit) =>
  digit.split('|').map((way) => way.split(',').map(stroke)),
);

/** A point of the curve that Catmull and Rom lay through four points, between the two in the middle. */
function onCurve(points: readonly [Point, Point, Point, Point], share: number): Point {
  const at = (axis: 0 | 1): number => {
    const [a, b, c, d] = points.map((point) => point[axis]) as [number, number, number, number];
    const [slope, bend, twist] = [c - a, 2 * a - 5 * b + 4 * c - d, 3 * b - a - 3 * c + d];
    return b + 0.5 * share * (slope + share * (bend + share * twist));
  };
  return [at(0), at(1)];
}

const pieces = 6;

/** The curve through a stroke's points, as short straight pieces. */
function smoothed(points: Stroke): Point[] {
  const last = points.length - 1;
  const point = (i: number): Point => points[Math.min(Math.max(i, 0), last)] as Point;
  const line: Point[] = [point(0)];
  for (let i = 0; i < last; i++) {
    for (let piece = 1; piece <= pieces; piece++) {
      line.push(onCurve([point(i - 1), point(i), point(i + 1), point(i + 2)], piece / pieces));
    }
  }
  return line;
}

/** Where a hand puts the points of a digit, in pixels. */
function hand(random: Random): (point: Point) => Point {
  const [width, height] = [random.uniform(15, 24), random.uniform(17.5, 20.5)];
  const [slant, sag] = [random.uniform(-0.3, 0.6), random.uniform(-0.2, 0.2)];
  const middle = digitSide / 2;
  const [left, top] = [middle + random.uniform(-1.5, 1.5), middle + random.uniform(-0.8, 0.8)];
  const tremble = 0.04;
  return ([x, y]) => {
    const [dx, dy] = [x - 0.5 + tremble * random.normal(), y - 0.5 + tremble * random.normal()];
    return [left + width * dx - slant * height * dy * 0.6, top + height * (dy + sag * dx)];
  };
}

/** Distance of a point from a straight piece. */
function distance(x: number, y: number, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy;
  const share = squared === 0 ? 0 : ((x - ax) * dx + (y - ay) * dy) / squared;
  const near = Math.min(Math.max(share, 0), 1);
  const [rx, ry] = [x - ax - near * dx, y - ay - near * dy];
  return Math.sqrt(rx * rx + ry * ry);
}

/** Inks all pixels near a piece; ink does not add up. */
function ink(from: Point, to: Point, radius: number, out: Uint8ClampedArray): void {
  const reach = radius + 1;
  const [left, top] = [Math.min(from[0], to[0]) - reach, Math.min(from[1], to[1]) - reach];
  const [right, bottom] = [Math.max(from[0], to[0]) + reach, Math.max(from[1], to[1]) + reach];
  const inside = (value: number): number => Math.min(Math.max(Math.floor(value), 0), digitSide - 1);
  for (let row = inside(top); row <= inside(bottom); row++) {
    for (let column = inside(left); column <= inside(right); column++) {
      const depth = radius + 0.5 - distance(column + 0.5, row + 0.5, from, to);
      const at = row * digitSide + column;
      out[at] = Math.max(out[at] as number, 255 * Math.min(Math.max(depth, 0), 1));
    }
  }
}

/**
 * Writes a digit with a pen: bent, slanted, large and thick as chance has it.
 *
 * @param random - decides everything but the digit.
 * @param digit - 0 to 9.
 * @param out - `digitSide * digitSide` bytes of 0, rows from the top; receives the ink, up to 255.
 */
export function writeDigit(random: Random, digit: number, out: Uint8ClampedArray): void {
  const ways = glyphs[digit] as Glyph;
  const way = ways[random.integer(ways.length)] as readonly Stroke[];
  const place = hand(random);
  const radius = random.uniform(0.8, 1.7);
  // where strokes meet they go on meeting
  const placed = new Map<string, Point>();
  const placeOnce = (point: Point): Point => {
    const known = placed.get(String(point)) ?? place(point);
    placed.set(String(point), known);
    return known;
  };
  for (const points of way) {
    const line = smoothed(points.map(placeOnce));
    for (let i = 1; i < line.length; i++) ink(line[i - 1] as Point, line[i] as Point, radius, out);
  }
}
