/** From a policy to trajectories, and from trajectories to a batch. */

import type { Batch, HostTensor } from '../../nn/nn.ts';
import type { Random } from '../../random.ts';
import type { GflownetLoss } from '../task.ts';
import {
  act,
  actions,
  cells,
  encode,
  type GridState,
  rewardOf,
  side,
  startState,
  stop,
} from './environment.ts';

/** A walk over the grid. States are rows of the sample; a walk that has stopped stays where it is. */
export interface Trajectory {
  /** State before each step, and after the last. */
  readonly rows: readonly number[];
  /** Action of each step; after `stop`, what the policy would have done. */
  readonly actions: readonly number[];
  /** Steps until `stop`, that one included, or all. */
  readonly length: number;
}

/** Trajectories of one policy. */
export interface Sample {
  /** All states that were met, each once. */
  readonly states: readonly GridState[];
  /** What the policy gives each action in each state, [states, 5]. */
  readonly policy: readonly Float32Array[];
  /** The walks, all of the same number of steps. */
  readonly trajectories: readonly Trajectory[];
}

/** Probabilities of all actions in each of some states, [states, 5]. */
export type Policy = (states: readonly GridState[]) => Promise<Float32Array>;

/** States by what they are, each once. */
class StateTable {
  readonly states: GridState[] = [];
  readonly #rows = new Map<string, number>();

  /** The row of a state. */
  rowOf(state: GridState): number {
    const key = String.fromCharCode(state.position, ...state.visits);
    const row = this.#rows.get(key) ?? this.states.push(state) - 1;
    this.#rows.set(key, row);
    return row;
  }
}

/** The action that a uniform number falls to. */
function pick(probabilities: Float32Array, uniform: number): number {
  let left = uniform;
  const found = probabilities.findIndex((probability) => {
    left -= probability;
    return left < 0;
  });
  // rounding may leave a little beyond the last
  return found < 0 ? stop : found;
}

/**
 * Walks until all have stopped, or for `maxSteps`. Each state is shown to the policy once.
 *
 * @param count - trajectories.
 */
export async function sampleTrajectories(
  policyOf: Policy,
  count: number,
  maxSteps: number,
  random: Random,
): Promise<Sample> {
  const table = new StateTable();
  const policy: Float32Array[] = [];
  const start = table.rowOf(startState());
  const walks = Array.from({ length: count }, () => ({
    rows: [start],
    actions: [] as number[],
    length: 0,
    walking: true,
  }));
  for (let step = 0; step < maxSteps && walks.some(({ walking }) => walking); step++) {
    const fresh = table.states.slice(policy.length);
    if (fresh.length > 0) policy.push(...rowsOf(await policyOf(fresh)));
    for (const walk of walks) {
      const row = walk.rows.at(-1) as number;
      const action = pick(policy[row] as Float32Array, random.next());
      walk.actions.push(action);
      if (walk.walking) walk.length++;
      walk.walking &&= action !== stop;
      walk.rows.push(walk.walking ? table.rowOf(act(table.states[row] as GridState, action)) : row);
    }
  }
  return { states: table.states, policy, trajectories: walks };
}

function rowsOf(policy: Float32Array): Float32Array[] {
  const width = actions.length;
  return Array.from({ length: policy.length / width }, (_, i) => policy.slice(i * width, (i + 1) * width));
}

/** What each trajectory is worth. */
export function rewards({ states, trajectories }: Sample): number[] {
  return trajectories.map(({ rows }) => rewardOf(states[rows.at(-1) as number] as GridState));
}

/** Encoded states [states, 3, 8, 8]. */
export function encodeStates(states: readonly GridState[]): HostTensor {
  const length = 3 * cells;
  const data = new Float32Array(states.length * length);
  for (const [i, state] of states.entries()) encode(state, data.subarray(i * length, (i + 1) * length));
  return { shape: [states.length, 3, side, side], data };
}

/** One step of a trajectory, as the loss sees it. */
interface Step {
  readonly source: number;
  readonly chosen: number;
  readonly target: number;
  readonly undone: number;
  readonly balanceWeights: number;
  readonly entropyWeights: number;
}

/** Detailed balance of a transition, up to the end of the trajectory. */
function corrected({ rows, actions: taken, length }: Trajectory, step: number): Step {
  const [from, to, action] = [rows[step], rows[step + 1], taken[step]] as [number, number, number];
  const weight = Number(step < length);
  return {
    source: from,
    chosen: from * actions.length + action,
    target: to,
    undone: to * actions.length + action,
    balanceWeights: weight,
    entropyWeights: weight,
  };
}

/**
 * What the published code compares: the flow forward from a state with the flow backward of one transition later, whether
 * or not the trajectory has stopped.
 */
function asPublished({ rows, actions: taken }: Trajectory, step: number): Step {
  const hasNext = step + 1 < taken.length;
  const [from, to] = [rows[step], rows[hasNext ? step + 2 : step + 1]] as [number, number];
  const [action, next] = [taken[step], taken[hasNext ? step + 1 : step]] as [number, number];
  return {
    source: from,
    chosen: from * actions.length + action,
    target: to,
    undone: to * actions.length + next,
    balanceWeights: Number(hasNext),
    entropyWeights: 1,
  };
}

const padding: Step = {
  source: 0,
  chosen: 0,
  target: 0,
  undone: 0,
  balanceWeights: 0,
  entropyWeights: 0,
};

/**
 * Trajectories as a batch of the network; steps that there are not weigh nothing.
 *
 * @param maxSteps - steps that the network has room for.
 * @param temperature - divides the rewards.
 */
export function batchOf(sample: Sample, kind: GflownetLoss, maxSteps: number, temperature: number): Batch {
  const { states, trajectories } = sample;
  const count = trajectories.length;
  const stepOf = kind === 'corrected' ? corrected : asPublished;
  const steps = trajectories.flatMap((trajectory) =>
    Array.from({ length: maxSteps }, (_, step) =>
      step < trajectory.actions.length ? stepOf(trajectory, step) : padding,
    ),
  );
  const indices = (name: keyof Step): HostTensor => ({
    shape: [count, maxSteps],
    data: Int32Array.from(steps, (step) => step[name]),
  });
  const weights = (name: keyof Step): HostTensor => ({
    shape: [count, maxSteps],
    data: Float32Array.from(steps, (step) => step[name]),
  });
  return {
    states: encodeStates(states),
    source: indices('source'),
    chosen: indices('chosen'),
    target: indices('target'),
    undone: indices('undone'),
    balanceWeights: weights('balanceWeights'),
    entropyWeights: weights('entropyWeights'),
    last: { shape: [count], data: Int32Array.from(trajectories, ({ rows }) => rows.at(-1) as number) },
    rewards: { shape: [count], data: Float32Array.from(rewards(sample), (reward) => reward / temperature) },
  };
}
