/** The two losses of the GFlowNet task, over tables in place of a network: by hand, and against plain loops. */

import { adamw } from '@vradam/core';
import { expect, test } from 'vitest';
import { startEngine } from '../src/engines/index.ts';
import type { Batch, HostTensor, Network, Nn } from '../src/nn/nn.ts';
import { summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import { act, type GridState, rewardOf, startState } from '../src/tasks/gflownet/environment.ts';
import { trajectoryInputs, trajectoryLoss } from '../src/tasks/gflownet/model.ts';
import { batchOf, type Sample, sampleTrajectories } from '../src/tasks/gflownet/trajectories.ts';
import { type GflownetLoss, gflownetLosses } from '../src/tasks/task.ts';

const maxSteps = 6;
const weights = { flow: 1, entropy: 0.01 };

/** What the heads say, row by row. */
interface Tables {
  readonly flow: readonly number[];
  readonly forward: readonly (readonly number[])[];
  readonly backward: readonly (readonly number[])[];
}

const bare = (kind: GflownetLoss): Network => ({
  inputs: {
    flow: { shape: [1], dtype: 'float32', rows: 'states' },
    forward: { shape: [5], dtype: 'float32', rows: 'states' },
    backward: { shape: [5], dtype: 'float32', rows: 'states' },
    ...trajectoryInputs(maxSteps),
  },
  run<V>(nn: Nn<V>, inputs: Readonly<Record<string, V>>) {
    const one = nn.parameter('one', [1], { kind: 'constant', value: 1 });
    const { forward, backward } = inputs as Record<'forward' | 'backward', V>;
    const heads = { flow: nn.mul(inputs['flow'] as V, one), forward, backward };
    const { loss, flowLoss } = trajectoryLoss(nn, heads, inputs, kind, { maxSteps, weights });
    return { loss, outputs: { flowLoss } };
  },
});

/** Losses of the trajectories of a sample, as an engine computes them. */
async function computed(engine: string, kind: GflownetLoss, sample: Sample, tables: Tables) {
  const network = bare(kind);
  const session = await (await startEngine(engine)).createSession({
    network,
    parameters: new Map([['one', { shape: [1], data: Float32Array.of(1) }]]),
    buffers: summarize(network).buffers,
    optimizer: adamw({ learningRate: 1 }),
  });
  const table = (rows: readonly (readonly number[])[]): HostTensor => ({
    shape: [rows.length, rows[0]?.length ?? 0],
    data: Float32Array.from(rows.flat()),
  });
  const { states: _, ...batch } = batchOf(sample, kind, maxSteps, 1);
  const heads: Batch = {
    flow: table(tables.flow.map((flow) => [flow])),
    forward: table(tables.forward),
    backward: table(tables.backward),
  };
  const { losses, outputs } = await session.evaluate({ ...heads, ...batch });
  session.dispose();
  return { losses: [...losses], flowLosses: [...(outputs['flowLoss']?.data ?? [])] };
}

/** One walks right and stops; the other up and left, and stops. While the second stops the first would go right. */
const twoWalks: Sample = (() => {
  const right = act(startState(), 1);
  const up = act(startState(), 0);
  return {
    states: [startState(), right, up, act(up, 3)],
    policy: [],
    trajectories: [
      { rows: [0, 1, 1, 1], actions: [1, 4, 1], length: 2 },
      { rows: [0, 2, 3, 3], actions: [0, 3, 4], length: 3 },
    ],
  };
})();
const byHand: Tables = {
  flow: [2, 3, 1, 4],
  forward: [
    [0.5, 0.25, 0, 0, 0.25],
    [0, 0.5, 0, 0, 0.5],
    [0, 0, 0, 0.5, 0.5],
    [0, 0, 0, 0, 1],
  ],
  backward: [
    [0, 0, 0, 0, 0],
    [0, 0.5, 0, 0, 0.25],
    [0.5, 0, 0, 0.25, 0],
    [0, 0, 0, 0.25, 0.5],
  ],
};
const worth = twoWalks.trajectories.map(({ rows }) =>
  rewardOf(twoWalks.states[rows.at(-1) as number] as GridState),
);
const [first, second] = worth as [number, number];

test.each(['onnxruntime-node', 'tfjs-wasm'])('%s: two trajectories, corrected, by hand', async (engine) => {
  const { losses, flowLosses } = await computed(engine, 'corrected', twoWalks, byHand);
  // right: 2/4 - 3/2; stop: 3/2 - 3/4. up: 2/2 - 1/2; left: 1/2 - 4/4; stop: 4 - 4/2
  const flow = [(3 - first) ** 2 + 1 + 0.5625, (4 - second) ** 2 + 0.25 + 0.25 + 4];
  for (const i of [0, 1]) expect(flowLosses[i]).toBeCloseTo(flow[i] as number, 4);
  // the entropies of the four states are 3/2, 1, 1 and 0 times log 2
  const entropy = 2.5 * Math.log(2);
  for (const i of [0, 1]) expect(losses[i]).toBeCloseTo((flow[i] as number) - 0.01 * entropy, 4);
});

test.each(['onnxruntime-node', 'tfjs-wasm'])(
  '%s: two trajectories, as published, by hand',
  async (engine) => {
    const { losses, flowLosses } = await computed(engine, 'as-published', twoWalks, byHand);
    // step 0: flows 2, 2 times 1/4, 1/2 against 3, 4 times 1/4, 1/4; step 1: 3, 1 times 1/2, 1/2 against 3, 4 times 1/2, 1/2
    const [own, other] = [(0.0625 + 0.0625) / 2 + 0, (0.25 + 0) / 2 + 2.25];
    const flow = [(3 - first) ** 2 + own, (4 - second) ** 2 + other];
    for (const i of [0, 1]) expect(flowLosses[i]).toBeCloseTo(flow[i] as number, 4);
    // the first is counted once more in its last state
    const entropy = [3.5 * Math.log(2), 2.5 * Math.log(2)];
    for (const i of [0, 1])
      expect(losses[i]).toBeCloseTo((flow[i] as number) - 0.01 * (entropy[i] as number), 4);
  },
);

const at = (table: readonly (readonly number[])[], row: number, action: number): number =>
  table[row]?.[action] as number;

/** The mean flow loss in plain loops: what the specification says in words. */
function inLoops(kind: GflownetLoss, { states, trajectories }: Sample, tables: Tables): number {
  const { flow, forward, backward } = tables;
  const count = trajectories.length;
  let total = 0;
  for (const { rows, actions, length } of trajectories) {
    const last = rows.at(-1) as number;
    total += ((flow[last] as number) - rewardOf(states[last] as GridState)) ** 2 / count;
    if (kind === 'as-published') continue;
    for (let t = 0; t < length; t++) {
      const [from, to, action] = [rows[t], rows[t + 1], actions[t]] as [number, number, number];
      const out = (flow[from] as number) * at(forward, from, action);
      total += (out - (flow[to] as number) * at(backward, to, action)) ** 2 / count;
    }
  }
  if (kind === 'corrected') return total;
  const steps = trajectories[0]?.actions.length ?? 0;
  for (let i = 0; i + 1 < steps; i++) {
    for (const one of trajectories) {
      for (const other of trajectories) {
        const flows = [flow[one.rows[i] as number], flow[one.rows[i + 2] as number]] as [number, number];
        const out = at(forward, other.rows[i] as number, other.actions[i] as number);
        const back = at(backward, other.rows[i + 2] as number, other.actions[i + 1] as number);
        total += (flows[0] * out - flows[1] * back) ** 2 / count ** 2;
      }
    }
  }
  return total;
}

test.each(gflownetLosses)('%s: random walks and tables have the loss of plain loops', async (kind) => {
  const random = openRandom(11, 0);
  const distribution = (): number[] => {
    const raw = Array.from({ length: 5 }, () => random.uniform(0.1, 1));
    return raw.map((value) => value / raw.reduce((a, b) => a + b, 0));
  };
  for (let round = 0; round < 5; round++) {
    const uniform = async (states: readonly GridState[]) => new Float32Array(5 * states.length).fill(0.2);
    const sample = await sampleTrajectories(uniform, 7, maxSteps, random);
    const tables = {
      flow: sample.states.map(() => random.uniform(0.1, 9)),
      forward: sample.states.map(distribution),
      backward: sample.states.map(distribution),
    };
    const { flowLosses } = await computed('onnxruntime-node', kind, sample, tables);
    const mean = flowLosses.reduce((a, b) => a + b, 0) / flowLosses.length;
    expect(mean / inLoops(kind, sample, tables)).toBeCloseTo(1, 5);
  }
});
