/** Properties: a claim about runs on random problems, checked on one backend, with a count of what stays alive. */

import type { OptimizerSpec, TensorOps } from '@vradam/core';
import * as fc from 'fast-check';
import type { ConformanceBackend } from '../backend.ts';
import { type Check, expectClose, violated } from '../check.ts';
import { names, type Problem, problems, Run, type Step, type Values } from './run.ts';

/** What a claim has to work with. */
export interface Stage<T, S> {
  /** The random problem. */
  readonly problem: Problem;
  /** Its first steps, by name for convenience. */
  readonly steps: readonly Step[];
  /** The backend's operations. */
  readonly ops: TensorOps<T, S>;
  /** Relative deviation that different orders of the same arithmetic may have. */
  readonly near: number;
  /** Starts a run from the problem's parameters (or other ones); it is released when the claim is done. */
  start(spec: OptimizerSpec, values?: Values, ops?: TensorOps<T, S>): Run<T, S>;
}

/** A claim, before a backend is known. */
export interface Claim {
  /** As a sentence. */
  readonly name: string;
  /** Steps of gradients that a problem must have. */
  readonly steps: number;
  /** Whether gradients may be missing. Default false. */
  readonly missing?: boolean;
  /** Why a backend cannot be asked; undefined if it can. */
  needs?<T, S>(ops: TensorOps<T, S>): string | undefined;
  /** Throws if the claim does not hold. */
  holds<T, S>(stage: Stage<T, S>): Promise<void>;
}

async function play<T, S>(
  { holds }: Claim,
  backend: ConformanceBackend<T, S>,
  ops: TensorOps<T, S>,
  problem: Problem,
): Promise<void> {
  const runs: Run<T, S>[] = [];
  const before = backend.liveTensors?.() ?? 0;
  await holds<T, S>({
    problem,
    steps: problem.steps,
    ops,
    near: ops.dtype === 'float64' ? 1e-12 : 2e-5,
    start(spec, values = problem.values, other = ops) {
      const run = new Run(backend, other, spec, values);
      runs.push(run);
      return run;
    },
  });
  for (const run of runs) run.dispose();
  const leaked = (backend.liveTensors?.() ?? 0) - before;
  if (leaked !== 0) violated(`nothing may leak. ${leaked} more tensors are alive than before.`);
}

/** Makes a check of a claim. */
export function checkOf<T, S>(claim: Claim, backend: ConformanceBackend<T, S>, numRuns: number): Check {
  return {
    name: claim.name,
    async run() {
      const ops = await backend.create();
      const lacking = claim.needs?.(ops);
      if (lacking !== undefined) return lacking;
      const property = fc.asyncProperty(problems(claim.steps, claim.missing ?? false), (problem) =>
        play(claim, backend, ops, problem),
      );
      await fc.assert(property, { numRuns });
      return undefined;
    },
  };
}

type Reading = Readonly<Record<string, number[]>>;

/** Two readings hold the same tensors, each pair as `expect` demands. */
export function compare(
  actual: Reading,
  expected: Reading,
  expect: (what: string, actual: number[], expected: number[]) => void,
): void {
  const [a, b] = [actual, expected].map((reading) => Object.keys(reading).sort().join());
  if (a !== b) violated(`the same tensors must be there: ${b}. Received: ${a}.`);
  for (const [name, values] of Object.entries(expected)) expect(name, actual[name] as number[], values);
}

/** For {@link compare}: agreement within a relative tolerance; the problems' numbers are of the order of 1. */
export const within =
  (tolerance: number) =>
  (what: string, actual: number[], expected: number[]): void =>
    expectClose(what, actual, expected, tolerance, 0.01);

/** The part of a record under some names. */
export const pick = <V>(all: Readonly<Record<string, V>>, some: readonly string[]): Record<string, V> =>
  Object.fromEntries(some.map((name) => [name, all[name] as V]));

/** Name of the parameter that the claims single out: a vector of 5. */
export const single: string = names[1] as string;
