/** The optimizers of a task: its numbers in, specs out. */

import {
  type AdamWOptions,
  adamw,
  type OptimizerSpec,
  type RMSPropOptions,
  rmsprop,
  type Schedule,
  type SGDOptions,
  sgd,
  vradam,
} from '@vradam/core';
import { adam } from './adam.ts';
import type { Brake, TaskPreset } from './preset.ts';
import { scheduleOf } from './schedule.ts';
import type { OptimizerName, Problem, ScheduleName } from './task.ts';

type Fixed<O> = Readonly<Required<Omit<O, 'learningRate'>>>;

/** Hyper-parameters of VRAdam's rivals that no preset changes; see the reproduction notes for paper against code. */
export interface Rivals {
  /** AdamW, and Adam with its decay in the gradient. */
  readonly adamw: Fixed<AdamWOptions>;
  /** SGD with Nesterov's momentum. */
  readonly 'sgd-nesterov': Fixed<Omit<SGDOptions, 'dampening'>>;
  /** RMSProp. */
  readonly rmsprop: Fixed<Omit<RMSPropOptions, 'centered'>>;
}

/** What the paper and its code agree on for AdamW. */
export const adamwOptions: Rivals['adamw'] = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 1e-5,
};

const vradamFixed = { beta1: 0.9, beta2: 0.999, power: 2, epsilon: 1e-8, weightDecay: 1e-5 } as const;

/** What an optimizer is, and the name of the one whose learning rate it has where the preset gives it none. */
interface Bound {
  readonly rateOf: keyof TaskPreset['learningRates'];
  readonly options: object;
  readonly spec: (learningRate: Schedule) => OptimizerSpec;
}

function bind(name: OptimizerName, preset: TaskPreset, rivals: Rivals): Bound {
  const ofVradam = (own: Brake): Bound => {
    const options = { ...own, ...vradamFixed };
    return { rateOf: 'vradam', options, spec: (learningRate) => vradam({ ...options, learningRate }) };
  };
  const rival = <N extends keyof Rivals>(
    rateOf: N,
    make: (options: Rivals[N] & { learningRate: Schedule }) => OptimizerSpec,
  ): Bound => {
    const options = rivals[rateOf];
    return { rateOf, options, spec: (learningRate) => make({ ...options, learningRate }) };
  };
  switch (name) {
    case 'vradam':
      return ofVradam(preset.vradam);
    case 'vradam-gradient-norm':
      return ofVradam({ ...preset.vradam, normGrad: true });
    case 'adamw':
      return rival('adamw', adamw);
    case 'adam':
      return rival('adamw', adam);
    case 'sgd-nesterov':
      return rival('sgd-nesterov', sgd);
    case 'rmsprop':
      return rival('rmsprop', rmsprop);
    default:
      return name satisfies never;
  }
}

/**
 * Makes the optimizers of a problem.
 *
 * @param stepsPerEpoch - for the schedule.
 * @param run - schedule, and epochs of the run.
 */
export function taskOptimizers(
  preset: TaskPreset,
  rivals: Rivals,
  stepsPerEpoch: number,
  { schedule, epochs }: { readonly schedule: ScheduleName; readonly epochs: number },
): Problem['optimizer'] {
  const lengths = { warmupEpochs: preset.warmupEpochs, epochs, stepsPerEpoch };
  return (name, given, brake) => {
    const { rateOf, options, spec } = bind(
      name,
      { ...preset, vradam: { ...preset.vradam, ...brake } },
      rivals,
    );
    const learningRate = given ?? preset.learningRates[rateOf];
    return {
      learningRate,
      options: { learningRate, ...options },
      spec: spec(scheduleOf(schedule, learningRate, lengths)),
    };
  };
}
