/**
 * Operators that write elements by index: `y = x`, then `y[index] = u`, `y[index] += u`, ...
 *
 * Written over, x has no part in the place, and u gets dy from there; added, both get dy. A place to which several
 * contributed by `min` or `max` shares its gradient equally among those that reach the result, like Min and Max.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { input, int, misfit, refuse, register, sameAsInput, text, type Value } from './kit.ts';
import type { Backward, Infer, Rule, TypeInfo } from './operator.ts';

const inferScatterND: Infer = (call) => {
  const [x, indices, updates] = [input(call, 0), input(call, 1), input(call, 2)];
  const width = indices.shape?.at(-1);
  if (x.shape && typeof width === 'number' && width > x.shape.length)
    misfit(call, `an index must have at most ${x.shape.length} entries, not ${width}`);
  const rank =
    x.shape && indices.shape && typeof width === 'number'
      ? indices.shape.length - 1 + x.shape.length - width
      : undefined;
  if (updates.shape && rank !== undefined && updates.shape.length !== rank)
    misfit(call, `the updates must have ${rank} axes, not ${updates.shape.length}`);
  return [sameAsInput(call)[0] as TypeInfo];
};

/** How a scatter reads back what it wrote, and writes something else at the same places. */
interface Places {
  read(y: Value): Value;
  write(x: Value, updates: Value, reduction: string): Value;
}

const elementPlaces = ({ g, node, inputs: [, indices] }: Backward): Places => {
  const axis = int(node, 'axis', 0);
  return {
    read: (y) => g.gatherElements(y, indices as Value, axis),
    write: (x, updates, reduction) => g.op('ScatterElements', [x, indices, updates], { axis, reduction }),
  };
};

const tuplePlaces = ({ g, inputs: [, indices] }: Backward): Places => ({
  read: (y) => g.op('GatherND', [y, indices]),
  write: (x, updates, reduction) => g.op('ScatterND', [x, indices, updates], { reduction }),
});

/** Gradients by x and by the updates of a least or largest value. */
function shared(
  g: GraphBuilder,
  { read, write }: Places,
  { inputs, outputs, dy, needs }: Backward,
): readonly (Value | undefined)[] {
  const [x, , updates] = inputs as [Value, Value, Value];
  const y = outputs[0] as Value;
  const kept = g.mask(g.equal(x, y), dy);
  const reached = g.mask(g.equal(updates, read(y)), dy);
  const share = g.div(dy, write(kept, reached, 'add'));
  return [
    needs(0) ? g.mul(share, kept) : undefined,
    undefined,
    needs(2) ? g.mul(read(share), reached) : undefined,
  ];
}

/** The rule for one kind of places. */
const scatterRule =
  (places: (backward: Backward) => Places, reductions: readonly string[]): Rule =>
  (backward) => {
    const { g, node, inputs, dy, needs } = backward;
    const [x, , updates] = inputs as [Value, Value, Value];
    const at = places(backward);
    const reduction = text(node, 'reduction', 'none');
    if (!reductions.includes(reduction) || (reduction === 'mul' && needs(2)))
      refuse(node, `reduction must be one of ${reductions.join(', ')} here. Received: ${reduction}`);
    if (reduction === 'min' || reduction === 'max') return shared(g, at, backward);
    const kept = (): Value => {
      if (reduction === 'add') return dy;
      if (reduction === 'none') return at.write(dy, g.zerosLike(updates), 'none');
      return g.mul(dy, at.write(g.expandLike(g.scalar(1, x.dtype), x), updates, 'mul'));
    };
    return [needs(0) ? kept() : undefined, undefined, needs(2) ? at.read(dy) : undefined];
  };

register(
  {
    ScatterND: { inputs: 3, infer: inferScatterND, gradient: scatterRule(tuplePlaces, ['none', 'add']) },
  },
  { ScatterElements: scatterRule(elementPlaces, ['none', 'add', 'min', 'max', 'mul']) },
);
