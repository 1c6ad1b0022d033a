/**
 * Normalization of each example over groups of channels and all positions.
 *
 * A group of K channels with n elements, `inv = 1 / sqrt(var + epsilon)`, `z = x - mean`; by channel `sum = sum(dy)`,
 * `dot = sum(dy z)` over positions:
 *
 *     dbias = sum, dscale = inv dot, over examples (and a group's channels, where they share a scale)
 *     dx = scale inv dy - z inv^3 sum_K(scale dot) / n - inv sum_K(scale sum) / n
 *
 * InstanceNormalization has a group for each channel.
 *
 * @see https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import {
  affine,
  checkVectors,
  input,
  int,
  inverseDeviation,
  meanSquare,
  misfit,
  type Node,
  refuse,
  register,
  shapeOfSizes,
  sizeBetween,
  type Value,
} from './kit.ts';
import type { Backward, Infer, Rule } from './operator.ts';

const inferInstance: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (shape && shape.length < 3) misfit(call, 'there must be axes after that of channels');
  checkVectors(call, shape?.[1], 'channel');
  return [{ dtype, shape }];
};

const inferGroup: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  const [channels, groups] = [shape?.[1], int(call, 'num_groups', 0)];
  if (shape && shape.length < 3) misfit(call, 'there must be axes after that of channels');
  if (groups < 1 || (typeof channels === 'number' && channels % groups !== 0)) {
    misfit(call, `num_groups must divide the channels, not be ${groups}`);
  }
  if (call.opset < 21) checkVectors(call, groups, 'group');
  else checkVectors(call, channels, 'channel');
  return [{ dtype, shape }];
};

/** How channels are grouped. */
interface Grouping {
  /** Groups. */
  readonly groups: number;
  /** Channels of a group. */
  readonly size: number;
  /** True if a group's channels share a scale. */
  readonly shared: boolean;
}

function groupingOf({ g, node, inputs: [x, scale] }: Backward): Grouping {
  const channels = g.knownShape(x as Value)[1] ?? 0;
  const known = typeof channels === 'number' ? channels : (scale?.shape?.[0] ?? 0);
  const shared = node.op === 'GroupNormalization' && g.opset < 21;
  if (typeof known !== 'number' || (shared && known !== channels)) {
    refuse(node, `the number of channels must be known to differentiate, not ${channels}`);
  }
  const groups = node.op === 'GroupNormalization' ? int(node, 'num_groups', 1) : known;
  return { groups, size: known / groups, shared };
}

/** x less the mean of its group, [N, G, rest], and 1 / sqrt(var + epsilon), [N, G, 1]. */
function centred(g: GraphBuilder, node: Node, x: Value, groups: number): { z: Value; inv: Value; n: Value } {
  const grouped = g.reshape(x, [0, groups, -1]);
  const z = g.sub(grouped, g.reduceMean(grouped, [2], true));
  return { z, inv: inverseDeviation(g, node, meanSquare(g, z, [2])), n: g.count(grouped, [2]) };
}

const rule: Rule = (backward) => {
  const { g, node, dy, inputs, needs } = backward;
  const [x, scale, bias] = inputs as readonly [Value, Value, Value];
  const { groups, size, shared } = groupingOf(backward);
  const { z, inv, n } = centred(g, node, x, groups);
  // [N, G, K, positions], then [N, G, K]
  const byChannel = (value: Value): Value => g.reshape(value, [0, groups, size, -1]);
  const sum = g.reduceSum(byChannel(dy), [3]);
  const dot = () => g.reduceSum(g.mul(byChannel(dy), byChannel(z)), [3]);
  const wideScale = g.reshape(scale, [groups, shared ? 1 : size]);
  const toScale = (value: Value): Value => g.reshapeLike(g.sumTo(value, wideScale), scale);
  const dx = (): Value => {
    const overGroup = (value: Value): Value => g.div(g.reduceSum(g.mul(value, wideScale), [2], true), n);
    const slope = g.neg(g.mul(overGroup(dot()), g.mul(inv, g.mul(inv, inv))));
    const offset = g.neg(g.mul(overGroup(sum), inv));
    // one "channel" for each of an example
    const flat = (value: Value): Value => g.reshape(g.expandLike(value, sum), [-1]);
    const rows = g.reshape(dy, shapeOfSizes(g, [1, -1, sizeBetween(g, x, 2, g.rank(x))]));
    const steep = affine(g, rows, flat(g.mul(wideScale, inv)), flat(offset));
    return g.add(g.reshapeLike(steep, x), g.reshapeLike(g.mul(z, slope), x));
  };
  return [
    needs(0) ? dx() : undefined,
    needs(1) ? toScale(g.mul(dot(), inv)) : undefined,
    needs(2) && bias ? toScale(sum) : undefined,
  ];
};

// before operator set 21, a group's channels share scale and bias
register({
  InstanceNormalization: { inputs: 3, infer: inferInstance, gradient: rule },
  GroupNormalization: { inputs: 3, infer: inferGroup, gradient: rule },
});
