/** The GFlowNet: one encoder with three heads, and the loss of trajectories over what they say. */

import type { Initializer, InputSpec, Network, Nn } from '../../nn/nn.ts';
import type { GflownetLoss } from '../task.ts';
import { actions, side } from './environment.ts';

/** Every number of the network. */
export interface GflownetSize {
  /** Channels of the three convolutions. */
  readonly widths: readonly [number, number, number];
  /** Units of the two dense layers; the heads are as wide as the second. */
  readonly dense: readonly [number, number];
  /** Steps of a trajectory at most. */
  readonly maxSteps: number;
}

/** How the parts of the loss are weighed. */
export interface LossWeights {
  /** Of the flow loss: balance of each step, and the end. */
  readonly flow: number;
  /** Of the negative entropy of the policy. */
  readonly entropy: number;
}

/** What the heads say of each state. */
export interface Heads<V> {
  /** Flow through the state, [states, 1]; positive. */
  readonly flow: V;
  /** Probability of each action, [states, 5]. */
  readonly forward: V;
  /** Probability of each action as the one that led here, [states, 5]. */
  readonly backward: V;
}

const zero: Initializer = { kind: 'constant', value: 0 };
const kernel = 3;

/** 3x3 convolution and ReLU; Kaiming-normal by what goes out. */
function conv<V>(nn: Nn<V>, x: V, name: string, from: number, to: number): V {
  const deviation = Math.sqrt(2 / (to * kernel * kernel));
  const weight = nn.parameter(`${name}.weight`, [to, from, kernel, kernel], { kind: 'normal', deviation });
  return nn.relu(nn.conv2d(x, weight, nn.parameter(`${name}.bias`, [to], zero), { padding: 1 }));
}

/** Dense layer, normal with deviation 0.01: the first policy is nearly uniform. */
function dense<V>(nn: Nn<V>, x: V, name: string, from: number, to: number): V {
  const weight = nn.parameter(`${name}.weight`, [to, from], { kind: 'normal', deviation: 0.01 });
  return nn.linear(x, weight, nn.parameter(`${name}.bias`, [to], zero));
}

/** The network for states [states, 3, 8, 8]. */
function headsOf<V>(nn: Nn<V>, states: V, { widths, dense: [wide, narrow] }: GflownetSize): Heads<V> {
  const [first, second, third] = widths;
  let x = conv(nn, states, 'conv1', 3, first);
  x = conv(nn, x, 'conv2', first, second);
  x = nn.flatten(conv(nn, x, 'conv3', second, third));
  x = nn.relu(dense(nn, x, 'dense1', third * side * side, wide));
  x = nn.relu(dense(nn, x, 'dense2', wide, narrow));
  const head = (name: string, to: number): V => {
    const hidden = nn.relu(dense(nn, x, `${name}.1`, narrow, narrow));
    return dense(nn, nn.relu(dense(nn, hidden, `${name}.2`, narrow, narrow)), `${name}.3`, narrow, to);
  };
  const policy = (name: string): V => nn.softmax(head(name, actions.length));
  return { flow: nn.softplus(head('flow', 1)), forward: policy('forward'), backward: policy('backward') };
}

/**
 * What a loss is told of trajectories [batch, steps], besides their states. `source` and `target` are states, by row;
 * `chosen` and `undone` are rows of a policy and an action, as `5 row + action`.
 */
export const trajectoryInputs = (maxSteps: number): Readonly<Record<string, InputSpec>> => ({
  source: { shape: [maxSteps], dtype: 'int32' },
  chosen: { shape: [maxSteps], dtype: 'int32' },
  target: { shape: [maxSteps], dtype: 'int32' },
  undone: { shape: [maxSteps], dtype: 'int32' },
  balanceWeights: { shape: [maxSteps], dtype: 'float32' },
  entropyWeights: { shape: [maxSteps], dtype: 'float32' },
  last: { shape: [], dtype: 'int32' },
  rewards: { shape: [], dtype: 'float32' },
});

/** The loss of trajectories, over some words. */
class TrajectoryLoss<V> {
  readonly #nn: Nn<V>;
  readonly #inputs: Readonly<Record<string, V>>;
  readonly #steps: number;

  constructor(nn: Nn<V>, inputs: Readonly<Record<string, V>>, steps: number) {
    this.#nn = nn;
    this.#inputs = inputs;
    this.#steps = steps;
  }

  /** Entries of a table, in the shape [batch, steps] of their indices. */
  #at(table: V, index: string): V {
    const nn = this.#nn;
    const column = nn.reshape(table, [-1, 1]);
    return nn.reshape(nn.embedding(column, this.#inputs[index] as V), [-1, this.#steps]);
  }

  #difference(a: V, b: V): V {
    return this.#nn.add(a, this.#nn.scale(b, -1));
  }

  #square(x: V): V {
    return this.#nn.mul(x, x);
  }

  /** Sum over the steps of a trajectory, [batch]. */
  #total(x: V, weights: string): V {
    const nn = this.#nn;
    return nn.scale(nn.mean(nn.mul(x, this.#inputs[weights] as V), -1), this.#steps);
  }

  /** Products of every row of `a` with every row of `b`, step by step: [steps, batch, batch]. */
  #outer(a: V, b: V): V {
    const nn = this.#nn;
    const left = nn.reshape(nn.transpose(a, [1, 0]), [this.#steps, -1, 1]);
    return nn.matMul(left, nn.reshape(nn.transpose(b, [1, 0]), [this.#steps, 1, -1]));
  }

  /** Squared differences of what flows forward and what flows backward, [batch, steps]. */
  squares({ flow, forward, backward }: Heads<V>, kind: GflownetLoss): V {
    const nn = this.#nn;
    const [from, chosen] = [this.#at(flow, 'source'), this.#at(forward, 'chosen')];
    const [to, undone] = [this.#at(flow, 'target'), this.#at(backward, 'undone')];
    if (kind === 'corrected') return this.#square(this.#difference(nn.mul(from, chosen), nn.mul(to, undone)));
    const all = this.#square(this.#difference(this.#outer(from, chosen), this.#outer(to, undone)));
    return nn.transpose(nn.mean(all, -1), [1, 0]);
  }

  /** Flow loss of each trajectory, [batch]. */
  flowLoss(heads: Heads<V>, kind: GflownetLoss): V {
    const nn = this.#nn;
    const last = nn.reshape(nn.embedding(heads.flow, this.#inputs['last'] as V), [-1]);
    const end = this.#square(this.#difference(last, this.#inputs['rewards'] as V));
    return nn.add(end, this.#total(this.squares(heads, kind), 'balanceWeights'));
  }

  /** Entropy of the policy, summed over the steps, [batch]. */
  entropy({ forward }: Heads<V>): V {
    const nn = this.#nn;
    const tiny = nn.constant({ shape: [actions.length], data: new Float32Array(actions.length).fill(1e-10) });
    const terms = nn.mul(forward, nn.log(nn.add(forward, tiny)));
    const byState = nn.scale(nn.mean(terms, -1), -actions.length);
    return this.#total(this.#at(byState, 'source'), 'entropyWeights');
  }
}

/**
 * The loss of each trajectory, and its flow loss alone.
 *
 * @param inputs - {@link trajectoryInputs}.
 */
export function trajectoryLoss<V>(
  nn: Nn<V>,
  heads: Heads<V>,
  inputs: Readonly<Record<string, V>>,
  kind: GflownetLoss,
  { maxSteps, weights }: { readonly maxSteps: number; readonly weights: LossWeights },
): { loss: V; flowLoss: V } {
  const losses = new TrajectoryLoss(nn, inputs, maxSteps);
  const flowLoss = losses.flowLoss(heads, kind);
  const entropy = nn.scale(losses.entropy(heads), -weights.entropy);
  return { loss: nn.add(nn.scale(flowLoss, weights.flow), entropy), flowLoss };
}

/** The network with its loss: an example is a trajectory, and its states are rows that it points to. */
export function gflownet(
  size: GflownetSize & { readonly weights: LossWeights },
  kind: GflownetLoss,
): Network {
  return {
    inputs: {
      states: { shape: [3, side, side], dtype: 'float32', rows: 'states' },
      ...trajectoryInputs(size.maxSteps),
    },
    run<V>(nn: Nn<V>, inputs: Readonly<Record<string, V>>) {
      const heads = headsOf(nn, inputs['states'] as V, size);
      const { loss, flowLoss } = trajectoryLoss(nn, heads, inputs, kind, size);
      return { loss, outputs: { policy: heads.forward, flowLoss } };
    },
  };
}
