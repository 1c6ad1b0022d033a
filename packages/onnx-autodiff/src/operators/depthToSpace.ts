/**
 * DepthToSpace and SpaceToDepth: blocks of b x b elements become b^2 channels and back, so that each undoes the other.
 *
 * Channels count blocks first and depth last (`DCR`), or depth first (`CRD`, PyTorch's pixel_shuffle).
 *
 * @see https://onnx.ai/onnx/operators/onnx__DepthToSpace.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Dim } from '../model/model.ts';
import {
  exactQuotient,
  floorDiv,
  freshShape,
  input,
  int,
  misfit,
  mulDims,
  register,
  shapeOfSizes,
  sizeAlong,
  text,
  type Value,
} from './kit.ts';
import type { Call, Infer, Rule } from './operator.ts';

function blockOf(call: Call): number {
  const block = int(call, 'blocksize', 0);
  return block >= 1 ? block : misfit(call, `blocksize must be at least 1, not ${block}`);
}

/** A size divided, or a misfit. */
function divided(call: Call, dim: Dim, by: number): Dim {
  if (typeof dim === 'number' && dim % by !== 0) misfit(call, `${by} must divide ${dim}`);
  return exactQuotient(dim, by) ?? floorDiv(dim, by);
}

/** Shape from what becomes of channels and of the other two axes. */
const inferBlocks =
  (
    channels: (call: Call, dim: Dim, block: number) => Dim,
    side: (call: Call, dim: Dim, block: number) => Dim,
  ): Infer =>
  (call) => {
    const { dtype, shape } = input(call, 0);
    const block = blockOf(call);
    if (!shape) return [{ dtype, shape: freshShape(call, 4) }];
    if (shape.length !== 4) misfit(call, 'an image must have 4 axes');
    const [batch, depth, height, width] = shape as readonly [Dim, Dim, Dim, Dim];
    return [
      {
        dtype,
        shape: [
          batch,
          channels(call, depth, block ** 2),
          side(call, height, block),
          side(call, width, block),
        ],
      },
    ];
  };

const multiplied = (_: Call, dim: Dim, by: number): Dim => mulDims(dim, by);

/** Channels that count blocks first, counting depth first. */
function depthFirst(g: GraphBuilder, x: Value, block: number): Value {
  const [batch, ...sides] = [0, 2, 3].map((axis) => sizeAlong(g, x, axis)) as [Value, Value, Value];
  const depth = g.div(sizeAlong(g, x, 1), block ** 2);
  const apart = g.reshape(x, shapeOfSizes(g, [batch, block ** 2, depth, ...sides]));
  return g.transpose(apart, [0, 2, 1, 3, 4]);
}

const backToDepth: Rule = ({ g, node, inputs: [x], dy }) => {
  const blocksize = int(node, 'blocksize', 1);
  const blocks = g.op('SpaceToDepth', [dy], { blocksize });
  const dx = text(node, 'mode', 'DCR') === 'DCR' ? blocks : depthFirst(g, blocks, blocksize);
  return [g.reshapeLike(dx, x as Value)];
};

const backToSpace: Rule = ({ g, node, inputs: [x], dy }) => {
  const dx = g.op('DepthToSpace', [dy], { blocksize: int(node, 'blocksize', 1) });
  return [g.reshapeLike(dx, x as Value)];
};

register({
  DepthToSpace: { infer: inferBlocks(divided, multiplied), gradient: backToDepth },
  SpaceToDepth: { infer: inferBlocks(multiplied, divided), gradient: backToSpace },
});
