/** What holds for every algorithm on every backend. */

import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  combineMeasurements,
  combineNorms,
  type Gradients,
  momentum,
  type OptimizerSpec,
  type Pending,
  rmsprop,
  setLearningRate,
  sgd,
  vradam,
  vrMomentum,
} from '@vradam/core';
import { type ConformanceBackend, disposeAll } from '../backend.ts';
import { type Check, expectClose, expectSame, violated } from '../check.ts';
import { type Claim, checkOf, compare, pick, type Stage, single, within } from './property.ts';
import { names, type Run, type Step } from './run.ts';
import { transformClaims } from './transforms.ts';

/** Every algorithm, with options that use all its slots. */
export const specs: readonly (readonly [name: string, spec: OptimizerSpec])[] = [
  ['vradam', vradam({ learningRate: 0.05, beta3: 0.7, weightDecay: 0.01 })],
  ['vradam of the gradient norm', vradam({ learningRate: 0.05, normGrad: true, power: 3, lrCutoff: 4 })],
  ['vrMomentum', vrMomentum({ learningRate: 0.05, weightDecay: 0.1 })],
  ['momentum', momentum({ learningRate: 0.05 })],
  ['adamw', adamw({ learningRate: 0.05 })],
  ['sgd', sgd({ learningRate: 0.05 })],
  ['sgd with Nesterov', sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.1 })],
  [
    'rmsprop',
    rmsprop({ learningRate: 0.01, centered: true, momentum: 0.5, weightDecay: 0.1, epsilon: 1e-3 }),
  ],
];

/** One step of several shards that exchange measurements and norms, and nothing else. */
async function shardedStep<T, S>(
  { ops }: Stage<T, S>,
  shards: readonly Run<T, S>[],
  step: Step,
): Promise<void> {
  const gradients = shards.map((shard) => shard.gradients(pick(step, Object.keys(shard.values))));
  const local = shards.map(({ optimizer }, i) => optimizer.measure(gradients[i] as Gradients<T>));
  const measurement = combineMeasurements(ops, local);
  const pendings = shards.map(({ optimizer, state }, i) =>
    optimizer.accumulate(gradients[i] as Gradients<T>, state, measurement),
  );
  const norms = combineNorms(
    ops,
    pendings.map((pending) => pending.norms),
  );
  for (const [i, shard] of shards.entries()) {
    const result = shard.optimizer.apply(shard.parameters, pendings[i] as Pending<T, S>, norms);
    shard.parameters = result.parameters;
    shard.state = result.state;
    for (const { effectiveLearningRate } of result.stats) ops.dispose(effectiveLearningRate);
    disposeAll(ops, gradients[i] as Gradients<T>);
  }
  const squares = [measurement, ...local].map(({ squaredNorm }) => squaredNorm);
  for (const scalar of [...norms, ...squares]) if (scalar !== null) ops.dispose(scalar);
}

/** The claims about one algorithm; over 40 lines, as it is a table. */
const claimsOf = ([name, spec]: (typeof specs)[number]): Claim[] => [
  {
    name: `${name}: update is accumulate and apply in a row, bit for bit`,
    steps: 3,
    missing: true,
    async holds({ start, steps }) {
      const whole = await start(spec).steps(steps);
      const phased = start(spec);
      for (const step of steps) {
        const gradients = phased.gradients(step);
        const pending = phased.optimizer.accumulate(gradients, phased.state);
        await phased.accept(phased.optimizer.apply(phased.parameters, pending));
        disposeAll(phased.ops, gradients);
      }
      compare(await phased.read(), await whole.read(), expectSame);
    },
  },
  {
    name: `${name}: k shards equal the whole, clipped or not`,
    steps: 3,
    missing: true,
    async holds(stage) {
      const { start, steps, problem, near } = stage;
      for (const sharded of [spec, clipByGlobalNorm(spec, { maxNorm: 2 })]) {
        const whole = await start(sharded).steps(steps);
        const parts = [names.slice(0, 2), names.slice(2, 3), names.slice(3)];
        const shards = parts.map((part) => start(sharded, pick(problem.values, part)));
        for (const step of steps) await shardedStep(stage, shards, step);
        const reads = await Promise.all(shards.map((shard) => shard.read()));
        compare(Object.assign({}, ...reads), await whole.read(), within(near));
      }
    },
  },
  {
    name: `${name}: the order of parameters does not matter`,
    steps: 3,
    missing: true,
    async holds({ start, steps, problem, near }) {
      const reversed = [...names].reverse();
      const a = await start(spec).steps(steps);
      const b = await start(spec, pick(problem.values, reversed)).steps(
        steps.map((step) => pick(step, reversed)),
      );
      compare(await b.read(), await a.read(), within(near));
    },
  },
  {
    name: `${name}: a missing gradient leaves its parameter, state and counter alone`,
    steps: 3,
    async holds({ start, steps }) {
      const [first, second, third] = steps as [Step, Step, Step];
      const run = await start(spec).steps([first, second]);
      const before = await run.read();
      await run.step({ ...third, [single]: null });
      const after = await run.read();
      for (const key of Object.keys(before).filter((tensor) => tensor.endsWith(single))) {
        expectSame(key, after[key] as number[], before[key] as number[]);
      }
      const counter = run.state.parameters.get(single)?.step;
      if (counter !== 2)
        violated(`the counter of ${single} must be 2 after 2 gradients. Received: ${counter}.`);
    },
  },
  {
    name: `${name}: saved and loaded after any step it continues bit for bit`,
    steps: 4,
    missing: true,
    async holds({ start, steps }) {
      const decorated = averageWeights(accumulateGradients(spec, { steps: 2 }), { decay: 0.9 });
      const straight = await (await start(decorated).steps(steps)).read();
      for (const at of [0, ...steps.keys()].map((_, i) => i)) {
        const run = await start(decorated).steps(steps.slice(0, at));
        await run.reload();
        compare(await (await run.steps(steps.slice(at))).read(), straight, expectSame);
      }
    },
  },
  {
    name: `${name}: fused kernels equal the composition`,
    steps: 4,
    missing: true,
    needs: ({ kernels }) => (kernels ? undefined : 'this backend has no fused kernels'),
    async holds({ start, steps, ops, problem, near }) {
      const { kernels: _, ...composed } = ops;
      const fused = await start(spec).steps(steps);
      const plain = await start(spec, problem.values, composed).steps(steps);
      compare(await fused.read(), await plain.read(), within(near));
    },
  },
];

const isFront = (name: string): boolean => /layer[01]/.test(name);

/** The claims about groups and about the brake. */
const generalClaims: readonly Claim[] = [
  {
    name: 'groups are isolated: one group does not see the gradients of another',
    steps: 3,
    async holds({ start, steps }) {
      const spec = vradam({
        learningRate: 0.05,
        groups: [{ match: isFront, learningRate: 0.2, lrCutoff: 3 }],
      });
      const disturbed = steps.map((step) =>
        Object.fromEntries(
          Object.entries(step).map(([name, g]) => [
            name,
            isFront(name) ? g : (g?.map((x) => 5 * x + 1) ?? null),
          ]),
        ),
      );
      const a = await (await start(spec).steps(steps)).read();
      const b = await (await start(spec).steps(disturbed)).read();
      for (const key of Object.keys(a).filter(isFront))
        expectSame(key, b[key] as number[], a[key] as number[]);
    },
  },
  {
    name: 'the effective learning rate lies between learningRate / (1 + lrCutoff) and learningRate',
    steps: 3,
    missing: true,
    async holds({ start, steps, near }) {
      const run = start(vradam({ learningRate: 0.05, lrCutoff: 4 }));
      for (const step of steps) {
        await run.step(step);
        const outside = run.rates.find((rate) => !(rate >= 0.01 * (1 - near) && rate <= 0.05 * (1 + near)));
        if (outside !== undefined) violated(`the rate must be in [0.01, 0.05]. Received: ${outside}.`);
      }
    },
  },
  {
    name: 'VRAdam without the brake is AdamW',
    steps: 3,
    missing: true,
    async holds({ start, steps, near }) {
      const options = { learningRate: 0.05, weightDecay: 0.1 };
      const a = await start(vradam({ ...options, beta3: 0 })).steps(steps);
      const b = await start(adamw(options)).steps(steps);
      compare(await a.read(), await b.read(), within(near));
    },
  },
  {
    name: 'a learning rate set on the live optimizer holds, and survives save and load',
    steps: 3,
    async holds({ start, steps, near }) {
      const [first, ...rest] = steps as [Step, ...Step[]];
      const runs = await Promise.all(
        [false, true].map(async (reload) => {
          const run = await start(vradam({ learningRate: () => 0.05, beta3: 0 })).steps([first]);
          run.state = setLearningRate(run.optimizer, run.state, 0.5);
          if (reload) await run.reload();
          await run.steps(rest);
          return run;
        }),
      );
      for (const { rates } of runs) expectClose('the effective learning rate', rates, [0.5], near);
      const [kept, loaded] = await Promise.all(runs.map((run) => run.read()));
      compare(loaded as Record<string, number[]>, kept as Record<string, number[]>, expectSame);
    },
  },
];

/**
 * Claims about every optimizer on a backend.
 *
 * @param numRuns - random problems for each claim. Default 10.
 */
export function optimizerChecks<T, S>(backend: ConformanceBackend<T, S>, numRuns = 10): Check[] {
  const claims = [...specs.flatMap(claimsOf), ...generalClaims, ...transformClaims];
  return claims.map((claim) => checkOf(claim, backend, numRuns));
}
