/** What a diagnostic problem is. */

import type { Random } from '../../random.ts';

/** A vector: all parameters of a problem in a row. */
export type Vector = readonly number[];

/** A function with its gradient. */
export interface Landscape {
  /** The loss, without any noise. */
  readonly loss: (x: Vector, step: number) => number;
  /** Its exact gradient; where the loss has a kink, one of its subgradients. */
  readonly gradient: (x: Vector, step: number) => number[];
}

/** A small problem that an optimizer solves or does not. */
export interface Diagnostic extends Landscape {
  /** On the command line and in tables. */
  readonly name: string;
  /** What it asks of an optimizer, in a few words. */
  readonly asks: string;
  /** Steps that are taken. */
  readonly steps: number;
  /** Passed if the loss after the last step is at most this. */
  readonly target: number;
  /** Where to begin; drawn once per seed. */
  readonly start: (random: Random) => Vector;
  /** Equal parts of the vector that are tensors of their own. Default 1. */
  readonly tensors?: number;
  /** What the optimizer is shown in place of the gradient. Default: the gradient. */
  readonly show?: (gradient: number[], step: number, random: Random) => number[];
  /** Whether this tensor gets no gradient in this step. Default: never. */
  readonly missing?: (tensor: number, step: number) => boolean;
  /** Weight decay of all optimizers, each in its own way. Default 0. */
  readonly weightDecay?: number;
  /** Whether seeds differ: it is tried with several, and has to be passed with each. Default false. */
  readonly random?: boolean;
}

/** The same start always. */
export function from(...x: number[]): () => Vector {
  return () => x;
}

/** A vector of one number. */
export function filled(length: number, value: number): number[] {
  return new Array<number>(length).fill(value);
}
