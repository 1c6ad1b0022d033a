/** What a sweep may choose: parameters with their ranges, and their places in a unit cube. */

import { benchmarkError } from '../errors.ts';

/** A value of a parameter. */
export type Choice = number | boolean | string;

/** Values by parameter name; those whose condition does not hold are missing. */
export type Choices = Readonly<Record<string, Choice>>;

/** Holds where another parameter, named before, has this value. */
export interface Condition {
  readonly parameter: string;
  readonly equals: Choice;
}

interface Named {
  /** Its name; no two are the same. */
  readonly name: string;
  /** Where it counts at all. Default: everywhere. */
  readonly when?: Condition;
}

/** A parameter. Ranges include both ends. */
export type Parameter = Named &
  (
    | {
        readonly kind: 'float' | 'integer';
        readonly low: number;
        readonly high: number;
        /** Whether factors count, not differences; then `low` > 0. Default false. */
        readonly log?: boolean;
      }
    | { readonly kind: 'boolean' }
    | { readonly kind: 'categorical'; readonly choices: readonly [string, ...string[]] }
  );

/** A parameter whose values are numbers. */
export type NumericParameter = Extract<Parameter, { readonly low: number }>;

/** Whether values of a parameter are numbers. */
export const isNumeric = (parameter: Parameter): parameter is NumericParameter =>
  parameter.kind === 'float' || parameter.kind === 'integer';

/** Parameters, in the order in which conditions may name them. */
export type Space = readonly Parameter[];

const refuse = (parameter: Parameter, wrong: string): never => {
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: `parameter ${JSON.stringify(parameter.name)} ${wrong}`,
    received: JSON.stringify(parameter),
    action: 'Mend the space.',
  });
};

/** Refuses a space that makes no sense: `ERR_OPTION_RANGE`. */
export function checkSpace(space: Space): void {
  for (const [i, parameter] of space.entries()) {
    const before = space.slice(0, i).map(({ name }) => name);
    if (before.includes(parameter.name)) refuse(parameter, 'is there twice');
    if (parameter.when && !before.includes(parameter.when.parameter))
      refuse(parameter, 'depends on one that is not named before it');
    if (isNumeric(parameter)) {
      const { low, high, log = false, kind } = parameter;
      if (!(Number.isFinite(low) && Number.isFinite(high) && low < high))
        refuse(parameter, 'needs low < high');
      if (log && low <= 0) refuse(parameter, 'is logarithmic and so needs low > 0');
      if (kind === 'integer' && !(Number.isInteger(low) && Number.isInteger(high)))
        refuse(parameter, 'needs whole ends');
    } else if (parameter.kind === 'categorical' && new Set(parameter.choices).size < 2) {
      refuse(parameter, 'needs two choices');
    }
  }
}

/** Ends of a numeric parameter on the axis that is divided evenly; a whole number has a step of 1 around it. */
function ends({ kind, low, high, log = false }: NumericParameter): [number, number] {
  const half = kind === 'integer' ? 0.5 : 0;
  return log ? [Math.log(low - half), Math.log(high + half)] : [low - half, high + half];
}

/** The value at a place of a parameter's axis, from 0 to 1. */
export function valueAt(parameter: Parameter, at: number): Choice {
  if (parameter.kind === 'boolean') return at >= 0.5;
  if (parameter.kind === 'categorical') {
    const { choices } = parameter;
    return choices[Math.min(choices.length - 1, Math.floor(at * choices.length))] as string;
  }
  const [from, to] = ends(parameter);
  const place = from + at * (to - from);
  const value = parameter.log ? Math.exp(place) : place;
  const whole = parameter.kind === 'integer' ? Math.round(value) : value;
  return Math.min(parameter.high, Math.max(parameter.low, whole));
}

/** Where a value lies on its parameter's axis, from 0 to 1: in the middle of what {@link valueAt} rounds to it. */
export function placeOf(parameter: Parameter, value: Choice): number {
  if (parameter.kind === 'boolean') return value === true ? 0.75 : 0.25;
  if (parameter.kind === 'categorical')
    return (parameter.choices.indexOf(value as string) + 0.5) / parameter.choices.length;
  const [from, to] = ends(parameter);
  const at = parameter.log ? Math.log(value as number) : (value as number);
  return (at - from) / (to - from);
}

const holds = ({ when }: Parameter, chosen: Record<string, Choice>): boolean =>
  !when || chosen[when.parameter] === when.equals;

/** The choices at a point of the unit cube, one coordinate for each parameter. */
export function choicesAt(space: Space, point: readonly number[]): Choices {
  const chosen: Record<string, Choice> = {};
  for (const [i, parameter] of space.entries()) {
    if (holds(parameter, chosen)) chosen[parameter.name] = valueAt(parameter, point[i] as number);
  }
  return chosen;
}

/** How many features each parameter has. */
function featureCount(parameter: Parameter): number {
  return parameter.kind === 'categorical' ? parameter.choices.length : parameter.kind === 'boolean' ? 2 : 1;
}

function featuresOf(parameter: Parameter, value: Choice | undefined): number[] {
  // one that does not count is in the middle, the same for all
  if (value === undefined) return Array.from({ length: featureCount(parameter) }, () => 0.5);
  if (parameter.kind === 'boolean') return [Number(value === true), Number(value === false)];
  if (parameter.kind === 'categorical') return parameter.choices.map((choice) => Number(choice === value));
  return [placeOf(parameter, value)];
}

/**
 * Choices as a model sees them: numbers from 0 to 1 in which equal steps mean as much, truth and categories one-hot. Two
 * points of the cube that round to the same choices are the same here.
 */
export function features(space: Space, choices: Choices): number[] {
  return space.flatMap((parameter) => featuresOf(parameter, choices[parameter.name]));
}
