/** What holds for the transforms and the non-finite policy on every backend. */

import {
  accumulateGradients,
  averagedWeights,
  averageWeights,
  clipByGlobalNorm,
  maskWeightDecay,
  sgd,
  skipNonFinite,
  vradam,
} from '@vradam/core';
import { readAll } from '../backend.ts';
import { expectClose, expectError, expectSame, violated } from '../check.ts';
import { type Claim, compare, pick, single, within } from './property.ts';
import { names, type Step } from './run.ts';

const flat = (record: Readonly<Record<string, readonly number[] | null>>): number[] =>
  names.flatMap((name) => record[name] ?? []);

/** The claims. */
export const transformClaims: readonly Claim[] = [
  {
    name: 'a bad gradient is refused by name, step and count, and nothing changes',
    steps: 1,
    needs: ({ countNonFinite }) => (countNonFinite ? undefined : 'this backend does not see values'),
    async holds({ start, steps }) {
      const run = await start(clipByGlobalNorm(vradam(), { maxNorm: 1 })).steps(steps);
      const before = await run.read();
      const bad: Step = { ...(steps[0] as Step), [single]: [1, Number.NaN, 2, Number.POSITIVE_INFINITY, 0] };
      const { message } = await expectError('a NaN gradient', 'ERR_NON_FINITE', () => run.step(bad));
      for (const word of [`"${single}"`, '2 NaN or infinite', 'step 2']) {
        if (!message.includes(word)) violated(`the error must say ${word}. Received: ${message}`);
      }
      compare(await run.read(), before, expectSame);
    },
  },
  {
    name: 'skipNonFinite does not take a bad step, counts it, and changes nothing else',
    steps: 2,
    needs: ({ countNonFinite }) => (countNonFinite ? undefined : 'this backend does not see values'),
    async holds({ start, steps }) {
      const [first, second] = steps as [Step, Step];
      const run = await start(skipNonFinite(vradam())).steps([first]);
      const before = await run.read();
      await run.step({ ...second, [single]: [Number.NaN, 0, 0, 0, 0] });
      compare(await run.read(), before, expectSame);
      const { step, skippedSteps } = run.state;
      if (step !== 1 || skippedSteps !== 1)
        violated(`1 step and 1 skipped. Received: ${step}, ${skippedSteps}.`);
      const straight = await start(vradam()).steps(steps);
      compare(await (await run.steps([second])).read(), await straight.read(), expectSame);
    },
  },
  {
    name: "with nonFinite: 'propagate' a NaN reaches the parameter",
    steps: 1,
    async holds({ start }) {
      const run = start(vradam({ nonFinite: 'propagate' }));
      await run.step({ [single]: [Number.NaN, 1, 1, 1, 1] });
      const [value] = (await run.read())[single] as number[];
      if (!Number.isNaN(value)) violated(`the parameter must be NaN. Received: ${value}.`);
    },
  },
  {
    name: 'clipByGlobalNorm scales a step to the limit, and leaves one within it alone',
    steps: 1,
    async holds({ start, steps, problem, near }) {
      const plain = sgd({ learningRate: 1 });
      const free = await start(plain).steps(steps);
      const loose = await start(clipByGlobalNorm(plain, { maxNorm: 1e6 })).steps(steps);
      compare(await loose.read(), await free.read(), within(near));
      const tight = await (await start(clipByGlobalNorm(plain, { maxNorm: 0.5 })).steps(steps)).read();
      const initial = names.flatMap((name) => problem.values[name]?.data ?? []);
      const moved = flat(tight).map((x, i) => x - (initial[i] as number));
      const raw = Math.hypot(...flat(steps[0] as Step));
      expectClose('the norm of the step', [Math.hypot(...moved)], [Math.min(raw, 0.5)], 1e-4);
    },
  },
  {
    name: 'clips nest, and a clip outside of accumulateGradients releases what it made in every batch',
    steps: 2,
    async holds({ start, steps, near }) {
      const plain = sgd({ learningRate: 1 });
      const nested = clipByGlobalNorm(clipByGlobalNorm(plain, { maxNorm: 0.2 }), { maxNorm: 0.5 });
      const direct = await start(clipByGlobalNorm(plain, { maxNorm: 0.2 })).steps(steps.slice(0, 1));
      const twice = await start(nested).steps(steps.slice(0, 1));
      compare(await twice.read(), await direct.read(), within(near));
      await start(clipByGlobalNorm(accumulateGradients(plain, { steps: 2 }), { maxNorm: 0.5 })).steps(steps);
    },
  },
  {
    name: 'accumulateGradients takes one step with the mean of k gradients',
    steps: 2,
    missing: true,
    async holds({ start, steps, near }) {
      const spec = vradam({ learningRate: 0.05 });
      const [a, b] = steps as [Step, Step];
      const half = (step: Step, name: string, i: number) => (step[name]?.[i] ?? 0) / 2;
      const mean = Object.fromEntries(
        names.map((name) => [
          name,
          (a[name] ?? b[name])?.map((_, i) => half(a, name, i) + half(b, name, i)) ?? null,
        ]),
      );
      const gathered = await start(accumulateGradients(spec, { steps: 2 })).steps(steps);
      const direct = await start(spec).steps([mean]);
      compare(await gathered.read(), await direct.read(), within(near));
    },
  },
  {
    name: 'averageWeights keeps decay * average + (1 - decay) * weights',
    steps: 3,
    missing: true,
    async holds({ start, steps, problem, ops, near }) {
      const run = start(averageWeights(sgd({ learningRate: 0.1 }), { decay: 0.8 }));
      let expected = Object.fromEntries(names.map((name) => [name, [...(problem.values[name]?.data ?? [])]]));
      for (const step of steps) {
        await run.step(step);
        const now = await readAll(ops, run.parameters);
        expected = Object.fromEntries(
          names.map((name) => [
            name,
            (expected[name] ?? []).map((x, i) => 0.8 * x + 0.2 * (now[name]?.[i] as number)),
          ]),
        );
      }
      compare(await readAll(ops, averagedWeights(run.state)), expected, within(near));
    },
  },
  {
    name: 'maskWeightDecay keeps decay away from some parameters and leaves the norm whole',
    steps: 2,
    async holds({ start, steps, near }) {
      const spec = vradam({ learningRate: 0.05, weightDecay: 0.5 });
      const masked = await start(maskWeightDecay(spec, single)).steps(steps);
      const decayed = await start(spec).steps(steps);
      const free = await start(vradam({ learningRate: 0.05, weightDecay: 0 })).steps(steps);
      const [m, d, f] = [await masked.read(), await decayed.read(), await free.read()];
      const expected = pick({ ...d, [single]: f[single] as number[] }, names);
      compare(pick(m, names), expected, within(near));
    },
  },
];
