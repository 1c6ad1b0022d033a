/** CPU time of steps and kernels on tfjs, and how many kernels a step takes. */

import * as tf from '@tensorflow/tfjs';
import { median } from '../report/summary.ts';
import { openStepper, optimizers, type TfjsCase } from './cases.ts';

/** CPU time of a step. */
export interface TfjsStepResult extends TfjsCase {
  readonly name: string;
  /** Median CPU time of a step, all threads, in milliseconds. */
  readonly cpuMs: number;
  /** Median over the rounds of (this / `tf.train.adam` of the same round). */
  readonly ratio: number;
}

/** CPU milliseconds of `calls` calls, for one, after one that takes the caches back from whoever ran before. */
function cpuMs(calls: number, run: () => void): number {
  run();
  const begin = process.cpuUsage();
  for (let i = 0; i < calls; i++) run();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000 / calls;
}

/** Steps of every optimizer in every round; on cpu, where tfjs takes long, fewer. */
export async function measureTfjsSteps(at: TfjsCase, rounds: number): Promise<TfjsStepResult[]> {
  await tf.setBackend(at.backend);
  await tf.ready();
  const [count, calls] = at.backend === 'cpu' ? [Math.max(1, Math.round(rounds / 5)), 3] : [rounds, 5];
  const steppers = optimizers.map(([name, make]) => ({
    name,
    times: [] as number[],
    ...openStepper(at, make),
  }));
  for (let i = 0; i < 2; i++) for (const { step } of steppers) step();
  for (let i = 0; i < count; i++) for (const { step, times } of steppers) times.push(cpuMs(calls, step));
  for (const { dispose } of steppers) dispose();
  const reference = steppers[0]?.times as number[];
  return steppers.map(({ name, times }) => ({
    ...at,
    name,
    cpuMs: median(times),
    ratio: median(times.map((ms, i) => ms / (reference[i] as number))),
  }));
}

/** Kernels that tfjs runs for a step: so many for each variable, and so many besides. */
export interface KernelCount {
  readonly name: string;
  readonly perVariable: number;
  readonly besides: number;
}

async function kernelsOf(make: () => tf.Optimizer, tensors: number): Promise<number> {
  const stepper = openStepper({ tensors, elements: 100 }, make);
  stepper.step();
  const { kernels } = await tf.profile(() => stepper.step());
  stepper.dispose();
  return kernels.length;
}

/** Counts the kernels of the optimizers, each without weight decay too, as Adam has none. */
export async function countKernels(
  makers: readonly (readonly [name: string, make: () => tf.Optimizer])[],
): Promise<KernelCount[]> {
  const counts: KernelCount[] = [];
  for (const [name, make] of makers) {
    const [ten, twenty] = [await kernelsOf(make, 10), await kernelsOf(make, 20)];
    const perVariable = (twenty - ten) / 10;
    counts.push({ name, perVariable, besides: ten - 10 * perVariable });
  }
  return counts;
}
