/**
 * The optimizer as a model, as a TrainingSession of onnxruntime 1.19 runs it.
 *
 * The session steps by one kernel, AdamW over sequences of tensors, and leaves the rest of the graph free. So the brake,
 * `eta_t = learningRate / (1 + min(beta3 ||v_t||^2, lrCutoff))`, is traced from the core and given to that kernel as its
 * learning rate, by which it scales the weight decay too.
 *
 * @see AdamWOptimizer in docs/ContribOperators.md of onnxruntime 1.19; adam_mode 0 is the formula of torch.optim.AdamW
 */

import type { OptimizerSpec, VRAdamOptions } from '@vradam/core';
import { type Attributes, buildModel, GraphBuilder, type Model, type Value } from '@vradam/onnx-autodiff';
import { fail, show } from '../errors.ts';
import { createGraphOps } from '../ops.ts';

/** Options of `vradam`; those of `adamw` are some of them. */
export type AdamOptions = Required<VRAdamOptions> & { readonly learningRate: number };

/** Inputs of the optimizer's graph that are sequences, one tensor for each parameter. */
const sequences = ['params', 'gradients', 'first_order_moments', 'second_order_moments'] as const;

function refuse(what: string, received: string): never {
  const advice = 'Train with createTrainingSession of @vradam/onnxruntime instead, which can.';
  fail('ERR_UNSUPPORTED', `for onnxruntime-web 1.19, ${what}. Received: ${received}. ${advice}`);
}

function checkRules({ algorithm, transforms, nonFinite }: OptimizerSpec): void {
  if (algorithm.name !== 'vradam' && algorithm.name !== 'adamw') {
    refuse('the optimizer must be vradam or adamw: its kernel is AdamW', algorithm.name);
  }
  if (transforms.length > 0) {
    refuse('the optimizer must have no transforms', transforms.map(({ kind }) => kind).join(', '));
  }
  if (nonFinite !== undefined && nonFinite !== 'propagate') {
    refuse('nonFinite must be "propagate": nothing looks at gradients', show(nonFinite));
  }
}

/**
 * The options by which all parameters are trained.
 *
 * @param names - of the trainable parameters.
 * @returns options of their one group; `weightDecay` is 0 if it is masked for all of them.
 * @throws VRAdamError `ERR_UNSUPPORTED` for what the format cannot express.
 */
export function expressibleOptions(spec: OptimizerSpec, names: readonly string[]): AdamOptions {
  checkRules(spec);
  const used = new Set(names.map((name) => spec.groups.findIndex(({ match }) => match(name))));
  const groups = spec.groups.filter((_, i) => used.has(i));
  const [group] = groups;
  if (!group || groups.length > 1) {
    const given = groups.map(({ name }) => show(name)).join(', ');
    refuse('all parameters must be in one group: its kernel takes them without names', given);
  }
  const { learningRate, weightDecay, ...options } = group.options as AdamOptions;
  if (typeof learningRate !== 'number') {
    refuse('learningRate must be a number: its API cannot change it', 'a schedule');
  }
  const decayed = names.filter((name) => spec.decays(name));
  if (weightDecay > 0 && decayed.length > 0 && decayed.length < names.length) {
    refuse(
      'weight decay must be masked for all parameters or none',
      `decay for ${decayed.length} of ${names.length}`,
    );
  }
  return { ...options, learningRate, weightDecay: decayed.length > 0 ? weightDecay : 0 };
}

/** An element of a sequence. */
function elementOf(g: GraphBuilder, sequence: Value, index: number): Value {
  const declared = [{ dtype: 'float32', shape: undefined }] as const;
  return g.node('SequenceAt', [sequence, g.scalar(index, 'int64')], {}, { declared })[0] as Value;
}

const noLift = (): never =>
  fail('ERR_UNSUPPORTED', 'a norm is the same in every step. Received: a number that depends on the step.');

/** The rate by which all parameters move: the core's own norm and brake, written down. */
function traceRate(
  g: GraphBuilder,
  { algorithm }: OptimizerSpec,
  options: AdamOptions,
  rate: Value,
  [gradients, velocities, count]: readonly [gradients: Value, velocities: Value, count: number],
): Value {
  if (!algorithm.effectiveLearningRate) return rate;
  const ops = createGraphOps(g, noLift);
  const norms = Array.from({ length: count }, (_, i) => {
    const gradient = elementOf(g, gradients, i);
    const velocity = elementOf(g, velocities, i);
    // the kernel updates both moments itself; the norm needs only the first, and the rest is left out of the file
    const slots = { velocity, secondMoment: velocity };
    return algorithm.accumulate?.(
      ops,
      { name: '', group: 0, gradient, slots, step: 1, weightDecay: 0 },
      options,
    );
  });
  return algorithm.effectiveLearningRate(ops, rate, ops.scalars.sum(norms as Value[]), options);
}

const attributesOf = ({ beta1, beta2, epsilon, weightDecay }: AdamOptions): Attributes => ({
  alpha: { type: 'float', value: beta1 },
  beta: { type: 'float', value: beta2 },
  epsilon: { type: 'float', value: epsilon },
  weight_decay: { type: 'float', value: weightDecay },
  correct_bias: { type: 'int', value: 1 },
  adam_mode: { type: 'int', value: 0 },
});

/**
 * Writes the optimizer's model. Names and order of its inputs are what the session asks for.
 *
 * @param options - of {@link expressibleOptions}.
 * @param count - number of trainable parameters.
 */
export function buildOptimizerModel(spec: OptimizerSpec, options: AdamOptions, count: number): Model {
  const g = new GraphBuilder({ name: spec.algorithm.name });
  g.input('learning_rate', 'float32', [1]); // always 0.001: nothing in the web API or the checkpoint sets it
  const step = g.input('step', 'int64', [1]);
  const lists = sequences.map((name) => g.input(name, 'float32', undefined));
  const [, gradients, velocities] = lists as [Value, Value, Value, Value];
  const base = g.constant([options.learningRate]);
  const rate = traceRate(g, spec, options, base, [gradients, velocities, count]);
  const [updated] = g.node('AdamWOptimizer', [rate, step, ...lists], attributesOf(options), {
    domain: 'com.microsoft',
    declared: [{ dtype: 'bool', shape: [1] }],
  });
  const model = buildModel(g, { outputs: new Map([['updated_flag', updated as Value]]) });
  const isSequence = (name: string): boolean => (sequences as readonly string[]).includes(name);
  return { ...model, inputs: model.inputs.map((input) => ({ ...input, sequence: isSequence(input.name) })) };
}
