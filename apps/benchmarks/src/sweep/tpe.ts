/** The next trial by a tree-structured Parzen estimator: densities of good choices and of the others, compared. */

import type { Random } from '../random.ts';
import type { Question, Tried } from './sampler.ts';
import { type Choice, type Choices, choicesAt, type Parameter, placeOf } from './space.ts';

const candidates = 32;

/** The better trials, at most 25, and the others; a failed one is never good. */
function divide(tried: readonly Tried[]): [good: Choices[], others: Choices[]] {
  const rank = (objective: number | null) =>
    objective === null || Number.isNaN(objective) ? Number.POSITIVE_INFINITY : objective;
  const order = [...tried].sort((a, b) => (rank(a.objective) < rank(b.objective) ? -1 : 1));
  const count = Math.min(25, Math.ceil(0.15 * tried.length));
  const good = order.slice(0, count).filter(({ objective }) => Number.isFinite(rank(objective)));
  return [good.map(({ choices }) => choices), order.slice(good.length).map(({ choices }) => choices)];
}

/** A mixture of bells around some places, cut at 0 and 1, with one over everything. */
class Bells {
  readonly #places: readonly number[];
  readonly #widths: readonly number[];

  constructor(places: readonly number[]) {
    const sorted = [...places, 0.5].sort((a, b) => a - b);
    this.#places = sorted;
    const least = 1 / Math.min(100, 1 + sorted.length);
    // as wide as to the farther neighbour; the one over everything as wide as everything
    this.#widths = sorted.map((place, i) => {
      if (place === 0.5) return 1;
      const [before, after] = [sorted[i - 1] ?? 0, sorted[i + 1] ?? 1];
      return Math.min(1, Math.max(least, place - before, after - place));
    });
  }

  draw(random: Random): number {
    const i = random.integer(this.#places.length);
    for (let tries = 0; tries < 50; tries++) {
      const x = (this.#places[i] as number) + (this.#widths[i] as number) * random.normal();
      if (x >= 0 && x <= 1) return x;
    }
    return this.#places[i] as number;
  }

  density(x: number): number {
    const sum = this.#places.reduce((total, place, i) => {
      const width = this.#widths[i] as number;
      return total + Math.exp(-0.5 * ((x - place) / width) ** 2) / width;
    }, 0);
    return sum / this.#places.length;
  }
}

/** Shares of the values of a truth or a category, each counted once more than it was seen. */
function shares(seen: readonly Choice[], values: readonly Choice[]): number[] {
  const counts = values.map((value) => 1 + seen.filter((each) => each === value).length);
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => count / all);
}

const seenIn = (trials: readonly Choices[], { name }: Parameter): Choice[] =>
  trials.flatMap((choices) => (choices[name] === undefined ? [] : [choices[name] as Choice]));

/** A coordinate that is likelier among the good than among the others. */
function coordinate(
  parameter: Parameter,
  good: readonly Choices[],
  others: readonly Choices[],
  random: Random,
): number {
  const [theirs, rest] = [seenIn(good, parameter), seenIn(others, parameter)];
  if (parameter.kind === 'boolean' || parameter.kind === 'categorical') {
    const values: readonly Choice[] = parameter.kind === 'boolean' ? [false, true] : parameter.choices;
    const [a, b] = [shares(theirs, values), shares(rest, values)];
    const drawn = Array.from({ length: candidates }, () => {
      let [i, left] = [0, random.next() - (a[0] as number)];
      while (left > 0 && i < values.length - 1) left -= a[++i] as number;
      return i;
    });
    const best = drawn.reduce((x, y) =>
      (a[y] as number) / (b[y] as number) > (a[x] as number) / (b[x] as number) ? y : x,
    );
    return (best + 0.5) / values.length;
  }
  const place = (value: Choice) => placeOf(parameter, value);
  const [a, b] = [new Bells(theirs.map(place)), new Bells(rest.map(place))];
  const drawn = Array.from({ length: candidates }, () => a.draw(random));
  return drawn.reduce((x, y) => (a.density(y) / b.density(y) > a.density(x) / b.density(x) ? y : x));
}

/**
 * Chooses by the quotient of two densities, parameter by parameter. Trials under way count among the others, so that the
 * next one goes elsewhere.
 *
 * @see Bergstra, Bardenet, Bengio and Kegl, "Algorithms for hyper-parameter optimization", 2011
 */
export function proposeByTpe(
  { space, tried, pending }: Pick<Question, 'space' | 'tried' | 'pending'>,
  random: Random,
): Choices {
  const [good, others] = divide(tried);
  const rest = [...others, ...pending];
  return choicesAt(
    space,
    space.map((parameter) => coordinate(parameter, good, rest, random)),
  );
}
