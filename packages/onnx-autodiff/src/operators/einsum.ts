/**
 * Sums of products, written with a letter for each axis.
 *
 * `Y[out] = sum prod_k X_k[term_k]`, so that `dX_i[term_i] = sum dY[out] prod_(k != i) X_k[term_k]`: the same operator
 * with the output in the place of the operand. Letters that only the operand has are repeated, and a letter that it
 * has twice (a diagonal) becomes two, held together by an identity matrix.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Einsum.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Dim, Shape } from '../model/model.ts';
import { broadcastShapes, fail, input, misfit, register, text, type Value } from './kit.ts';
import type { Backward, Call, Infer, Rule } from './operator.ts';

/** An equation without `...`: every axis has a letter. */
interface Equation {
  readonly terms: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** What both a call and a node are. */
type Applied = Pick<Call, 'op' | 'inputs' | 'attributes'>;

const alphabet = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];
/** Operands that can be differentiated by: each gradient names all others. */
const mostOperands = 64;
const term = /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/;
const isWide = (side: string): boolean => side.includes('...');
const count = (letters: readonly string[], letter: string): number =>
  letters.filter((other) => other === letter).length;

/** Sides of an equation as written, checked as far as it can be without shapes. */
function read(applied: Applied): { terms: string[]; output: string | undefined } {
  const equation = text(applied, 'equation', '').replaceAll(' ', '');
  const [left = '', output, ...more] = equation.split('->');
  const terms = left.split(',');
  if (more.length > 0 || ![...terms, output ?? ''].every((side) => term.test(side)))
    misfit(applied, `the equation must be terms of letters, not ${JSON.stringify(equation.slice(0, 100))}`);
  if (terms.length !== applied.inputs.length)
    misfit(applied, `the equation must have a term for each input, not ${terms.length}`);
  if (output !== undefined && terms.some(isWide) && !isWide(output))
    misfit(applied, 'an output that is written out must have the ellipsis of the inputs');
  return { terms, output };
}

/** Letters for the axes of the ellipsis: those that the equation leaves free. */
function ellipsisLetters(applied: Applied, terms: readonly string[], width: number): readonly string[] {
  const free = alphabet.filter((letter) => !terms.some((side) => side.includes(letter)));
  if (free.length < width)
    misfit(applied, `all axes together must have at most ${alphabet.length} letters, not more`);
  return free.slice(0, width);
}

/** The equation with a letter for every axis; undefined if the width of an ellipsis cannot be known. */
function equationOf(applied: Applied): Equation | undefined {
  const { terms, output } = read(applied);
  const widths = terms.map((side, i) => {
    const rank = applied.inputs[i]?.shape?.length;
    const letters = side.replace('...', '').length;
    if (rank !== undefined && (isWide(side) ? rank < letters : rank !== letters))
      misfit(applied, `term ${JSON.stringify(side)} must fit the axes of input ${i + 1}`);
    return isWide(side) ? rank !== undefined && rank - letters : 0;
  });
  if (!widths.every((width) => width !== false)) return undefined;
  const ellipsis = ellipsisLetters(applied, terms, Math.max(0, ...widths));
  const spell = (side: string, width: number): string[] =>
    [...side.replace('...', '.')].flatMap((letter) =>
      letter === '.' ? ellipsis.slice(ellipsis.length - width) : [letter],
    );
  const spelled = terms.map((side, i) => spell(side, widths[i] as number));
  return {
    terms: spelled,
    output: output === undefined ? implicit(terms, ellipsis) : spell(output, ellipsis.length),
  };
}

/** The output where none is written: the ellipsis, then letters that occur once, in the order of the alphabet. */
function implicit(terms: readonly string[], ellipsis: readonly string[]): readonly string[] {
  const written = [...terms.join('').replaceAll('.', '')];
  return [...ellipsis, ...alphabet.filter((letter) => count(written, letter) === 1)];
}

const inferEinsum: Infer = (call) => {
  const { dtype } = input(call, 0);
  const equation = equationOf(call);
  if (!equation) return [{ dtype, shape: undefined }];
  const { terms, output } = equation;
  const sizes = new Map<string, Dim>();
  terms.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      const size = call.inputs[i]?.shape?.[axis];
      if (size === undefined) return;
      const [wide] = broadcastShapes(call, [[sizes.get(letter) ?? 1], [size]]) as Shape;
      sizes.set(letter, wide as Dim);
    });
  });
  for (const letter of output) {
    if (count(output, letter) > 1) misfit(call, `the output must have each letter once, not ${letter} twice`);
    if (!terms.some((letters) => letters.includes(letter)))
      misfit(call, `letters of the output must be in an input, not ${letter}`);
  }
  return [{ dtype, shape: output.map((letter) => sizes.get(letter) ?? call.fresh()) }];
};

/** A sum of products; a bare permutation of axes is a Transpose. */
function sumOfProducts(
  g: GraphBuilder,
  terms: readonly (readonly string[])[],
  values: readonly Value[],
  output: readonly string[],
): Value {
  const [only = []] = terms;
  if (terms.length === 1 && only.length === output.length)
    return g.transpose(
      values[0] as Value,
      output.map((letter) => only.indexOf(letter)),
    );
  const equation = `${terms.map((letters) => letters.join('')).join()}->${output.join('')}`;
  return g.op('Einsum', values, { equation });
}

/** 0, 1, 2, ... along an axis of `x`. */
function positions(g: GraphBuilder, x: Value, axis: number): Value {
  const size = g.gather(g.shapeOf(x), g.scalar(axis, 'int64'));
  return g.op('Range', [g.scalar(0, 'int64'), size, g.scalar(1, 'int64')]);
}

/** 1 where the positions along two axes of `x` agree, else 0. */
function identity(g: GraphBuilder, x: Value, a: number, b: number): Value {
  const [rows, columns] = [positions(g, x, a), positions(g, x, b)];
  return g.mask(g.equal(g.unsqueeze(rows, [1]), g.unsqueeze(columns, [0])), x);
}

/** Gives each repeated letter of an operand a new name, with the identity that ties it to the first. */
function untangle(
  g: GraphBuilder,
  x: Value,
  letters: readonly string[],
  used: ReadonlySet<string>,
): { distinct: string[]; ties: { term: string[]; value: Value }[] } {
  const free = alphabet.filter((letter) => !used.has(letter));
  const ties: { term: string[]; value: Value }[] = [];
  const distinct = letters.map((letter, axis) => {
    const first = letters.indexOf(letter);
    if (first === axis) return letter;
    const name =
      free.shift() ??
      fail(
        'ERR_OPERATOR_UNSUPPORTED',
        `the gradient of Einsum needs a free letter for each axis of a diagonal. Received: all ${alphabet.length} in use.`,
      );
    ties.push({ term: [letter, name], value: identity(g, x, first, axis) });
    return name;
  });
  return { distinct, ties };
}

/** The gradient by one operand. */
function byOperand({ g, inputs, dy }: Backward, { terms, output }: Equation, i: number): Value {
  const x = inputs[i] as Value;
  const used = new Set([...terms.flat(), ...output]);
  const { distinct, ties } = untangle(g, x, terms[i] as string[], used);
  const others = terms.flatMap((letters, k) =>
    k === i ? [] : [{ term: letters, value: inputs[k] as Value }],
  );
  const factors = [{ term: output, value: dy }, ...others, ...ties];
  const bound = new Set(factors.flatMap((factor) => factor.term));
  const sum = sumOfProducts(
    g,
    factors.map((factor) => factor.term),
    factors.map(({ value }) => value),
    distinct.filter((letter) => bound.has(letter)),
  );
  const alone = distinct.flatMap((letter, axis) => (bound.has(letter) ? [] : [axis]));
  // sizes of 1 broadcast in both directions: repeated where the operand is wider, summed where it is narrower
  return g.sumTo(g.expandLike(g.unsqueeze(sum, alone), x), x);
}

const einsumRule: Rule = (backward) => {
  const { g, node, inputs, needs } = backward;
  const equation = equationOf(node);
  if (!equation) {
    // an ellipsis over an unknown number of axes: `rank` says whose
    for (const x of inputs) g.rank(x);
    return [];
  }
  if (inputs.length > mostOperands)
    fail(
      'ERR_LIMIT',
      `Einsum can be differentiated with at most ${mostOperands} operands. Received: ${inputs.length}.`,
    );
  return inputs.map((_, i) => (needs(i) ? byOperand(backward, equation, i) : undefined));
};

register({
  Einsum: {
    inputs: 'all',
    infer: inferEinsum,
    gradient: einsumRule,
  },
});
