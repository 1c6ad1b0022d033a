import type { Random } from '../random.ts';
import { type Colour, clouds, colour, cover, type Field, mix, outlines, type Pose, place } from './fields.ts';

/** Height and width of a picture, in pixels. */
export const side = 32;

const channels = [0, 1, 2] as const;

/** What makes a class: the rest of a picture is chance. */
export interface Kind {
  readonly name: string;
  readonly outline: Field;
  readonly texture: Field;
}

/** Two colours that a field blends. */
interface Blend {
  readonly from: Colour;
  readonly to: Colour;
}

/** Everything that is decided about a picture before its pixels are painted. */
interface Scene {
  readonly background: Blend;
  readonly clouds: Field;
  readonly fill: Blend;
  readonly texture: Field;
  readonly object: Field;
  readonly shadow: Field;
  readonly obstacle: Field;
  readonly obstacleColour: Colour;
  readonly light: Field;
  readonly noise: number;
}

function planScene(random: Random, { outline, texture }: Kind): Scene {
  const pose = drawPose(random);
  const grain: Pose = { ...pose, direction: random.direction(), size: random.uniform(5, 7.5) };
  const away = random.direction();
  const shadowPose = { ...pose, x: pose.x + 2 * away[0], y: pose.y + 2 * away[1] };
  return {
    ...drawColours(random),
    clouds: clouds(random, side, 3 + random.integer(3)),
    texture: place(texture, grain),
    object: cover(outline, pose, 1),
    shadow: cover(outline, shadowPose, 4),
    obstacle: drawObstacle(random, pose),
    light: drawLight(random),
    noise: random.uniform(0.01, 0.05),
  };
}

function drawPose(random: Random): Pose {
  const size = random.uniform(9.5, 14);
  const room = 0.6 * (side / 2 - size * 0.9);
  const middle = side / 2;
  return {
    x: middle + random.uniform(-room, room),
    y: middle + random.uniform(-room, room),
    direction: tilt(random),
    size,
  };
}

/** Upright give or take 30 degrees, so that the five outlines stay what a person would call them. */
function tilt(random: Random): Pose['direction'] {
  const sine = random.uniform(-0.5, 0.5);
  return [Math.sqrt(1 - sine * sine), sine];
}

type Palette = Pick<Scene, 'background' | 'fill' | 'obstacleColour'>;

/**
 * Hues and lightnesses apart from each other, so that an eye can see the object; which is which is chance.
 */
function drawColours(random: Random): Palette {
  const hue = random.next();
  const dark = random.uniform(0.12, 0.4);
  const light = random.uniform(0.6, 0.88);
  const inverted = random.next() < 0.2;
  const shade = (h: number, l: number) => colour(hue + h, random.uniform(0.25, 0.9), inverted ? 1 - l : l);
  return {
    background: { from: shade(0, dark), to: shade(random.uniform(-0.15, 0.15), dark + 0.2) },
    fill: {
      from: shade(random.uniform(0.25, 0.75), light),
      to: shade(random.uniform(0.25, 0.75), light - 0.35),
    },
    obstacleColour: colour(random.next(), random.uniform(0.2, 0.8), random.uniform(0.2, 0.8)),
  };
}

/** A plain disc or bar over the object's rim in two pictures of three. */
function drawObstacle(random: Random, object: Pose): Field {
  const size = random.next() < 1 / 3 ? 0 : random.uniform(2.5, 4.5);
  const away = random.direction();
  const distance = object.size * random.uniform(0.5, 1);
  const pose = {
    x: object.x + away[0] * distance,
    y: object.y + away[1] * distance,
    direction: random.direction(),
    size,
  };
  if (size === 0) return () => 0;
  return random.next() < 0.5 ? cover(outlines.disc, pose, 1) : cover(bar, { ...pose, size: size / 2 }, 1);
}

const bar: Field = (x) => Math.abs(x) - 0.6;

/** Brightness that falls off across the picture. */
function drawLight(random: Random): Field {
  const [slopeX, slopeY] = random.direction();
  const fall = random.uniform(0, 0.25) / side;
  return (x, y) => 1 + fall * (slopeX * (x - side / 2) + slopeY * (y - side / 2));
}

/**
 * Draws one picture of a kind.
 *
 * @param random - decides everything but the kind; moved on by a number of steps that differs per picture.
 * @param kind - the outline and the texture to show.
 * @param out - receives `3 * side * side` bytes, red, green and blue plane. Clamped and rounded by its type.
 */
export function drawPicture(random: Random, kind: Kind, out: Uint8ClampedArray): void {
  const scene = planScene(random, kind);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) paintPixel(random, scene, column, row, out);
  }
}

function paintPixel(random: Random, scene: Scene, column: number, row: number, out: Uint8ClampedArray): void {
  const { background, fill, obstacleColour } = scene;
  const x = column + 0.5;
  const y = row + 0.5;
  const cloud = scene.clouds(x, y);
  const shade = 1 - 0.35 * scene.shadow(x, y);
  const object = scene.object(x, y);
  const grain = 0.5 + 0.5 * scene.texture(x, y);
  const obstacle = scene.obstacle(x, y);
  const light = scene.light(x, y);
  for (const channel of channels) {
    const ground = shade * mix(background.from[channel], background.to[channel], cloud);
    const thing = mix(ground, mix(fill.from[channel], fill.to[channel], grain), object);
    const seen = light * mix(thing, obstacleColour[channel], obstacle);
    out[(channel * side + row) * side + column] = 255 * (seen + scene.noise * random.normal());
  }
}
