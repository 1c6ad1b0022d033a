/** Axes of the parameters of a sweep: every kind on a line from 0 to 1, with ticks that read as its values. */

import { ticks } from 'd3-array';
import { type Choice, type Parameter, placeOf } from '../../sweep/space.ts';
import { choiceText } from '../format.ts';
import { logTicks } from './axes.ts';

/** A tick. */
export interface ParameterTick {
  /** From 0 to 1. */
  readonly place: number;
  readonly text: string;
}

function tickValues(parameter: Parameter, count: number): readonly Choice[] {
  if (parameter.kind === 'boolean') return [false, true];
  if (parameter.kind === 'categorical') return parameter.choices;
  const { low, high, log = false, kind } = parameter;
  const values = log ? logTicks(low, high) : ticks(low, high, count);
  return kind === 'integer' ? values.filter(Number.isInteger) : values;
}

/**
 * Ticks of a parameter's axis: every truth and category, round numbers otherwise.
 *
 * @param count - about how many of a number that is not logarithmic. Default 5.
 */
export function parameterTicks(parameter: Parameter, count = 5): ParameterTick[] {
  return tickValues(parameter, count).map((value) => ({
    place: placeOf(parameter, value),
    text: choiceText(value),
  }));
}
