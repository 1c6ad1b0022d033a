import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backward, buildModel, evaluateDim, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { runModel } from '../runtime.ts';

const named = (shapes: readonly (readonly number[])[]): Record<string, readonly number[]> =>
  Object.fromEntries(shapes.map((shape, i) => [`x${i}`, shape]));

const einsum =
  (equation: string) =>
  (g: GraphBuilder, values: Readonly<Record<string, Value>>): Value =>
    g.op('Einsum', Object.values(values), { equation });

/** Checks gradients, and the inferred shape against the one that the runtime gives. */
async function check(equation: string, shapes: readonly (readonly number[])[]): Promise<void> {
  await checkGradients({ inputs: named(shapes), build: einsum(equation) });
  const g = new GraphBuilder();
  const values = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  const y = g.op('Einsum', values, { equation });
  g.output('y', y);
  const ones = shapes.map((shape, i) => {
    const data = new Float32Array(shape.reduce((size, dim) => size * dim, 1)).fill(1);
    return [`x${i}`, { dtype: 'float32' as const, shape, data }] as const;
  });
  const results = await runModel(buildModel(g), Object.fromEntries(ones));
  expect(y.shape).toEqual(results['y']?.shape);
}

test.each([
  ['ij->ji', [[2, 3]]],
  ['ij', [[2, 3]]],
  ['ba', [[2, 3]]],
  ['ij->', [[2, 3]]],
  ['ij->i', [[2, 3]]],
  ['ij->j', [[2, 3]]],
  [
    'ij,jk->ik',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    'ij,jk',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    'ij,jk->ki',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    'ij,kj->ik',
    [
      [2, 3],
      [4, 3],
    ],
  ],
  ['i,j->ij', [[2], [3]]],
  ['i,i->', [[3], [3]]],
  ['i,i', [[3], [3]]],
  [
    'ij,ij->ij',
    [
      [2, 3],
      [2, 3],
    ],
  ],
  ['ij,k->i', [[2, 3], [4]]],
  [',ij->ij', [[], [2, 3]]],
  [
    'bij,bjk->bik',
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
  ],
  [
    'bhid,bhjd->bhij',
    [
      [2, 2, 3, 2],
      [2, 2, 2, 2],
    ],
  ],
  [
    'bihd,bjhd->bhij',
    [
      [1, 3, 2, 2],
      [1, 2, 2, 2],
    ],
  ],
  [
    'ij,jk,kl->il',
    [
      [2, 3],
      [3, 2],
      [2, 3],
    ],
  ],
  [
    'ij,ij,ij->ij',
    [
      [2, 2],
      [2, 2],
      [2, 2],
    ],
  ],
  [
    'bn,anm,bm->ba',
    [
      [2, 3],
      [2, 3, 2],
      [2, 2],
    ],
  ],
  [
    'ij , jk -> ik',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    'IJ,JK->IK',
    [
      [2, 3],
      [3, 4],
    ],
  ],
] as [string, number[][]][])('%s has the gradient of its formula', check);

test.each([
  ['...ij->...ji', [[2, 3, 2]]],
  ['...ij', [[2, 3, 2]]],
  ['b...a', [[2, 2, 3]]],
  ['...', [[2, 3]]],
  ['i...->...', [[2, 3]]],
  [
    '...ij,...jk->...ik',
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
  ],
  [
    '...ij,jk->i...k',
    [
      [2, 2, 3],
      [3, 2],
    ],
  ],
  [
    'a...b,b...->...a',
    [
      [2, 3, 2, 2],
      [2, 3, 2],
    ],
  ],
] as [string, number[][]][])('%s with an ellipsis has the gradient of its formula', check);

test.each([
  ['ii->i', [[3, 3]]],
  ['ii->', [[3, 3]]],
  ['ii', [[3, 3]]],
  ['iij->ij', [[2, 2, 3]]],
  ['iii->i', [[2, 2, 2]]],
  ['iji->j', [[2, 3, 2]]],
  [
    'ii,ij->ij',
    [
      [2, 2],
      [2, 3],
    ],
  ],
  ['iijj->ij', [[2, 2, 3, 3]]],
] as [string, number[][]][])('%s with a diagonal has the gradient of its formula', check);

test.each([
  [
    'ij,ij->ij',
    [
      [2, 1],
      [2, 3],
    ],
  ],
  [
    'ij,ij->i',
    [
      [2, 1],
      [2, 3],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [1, 1],
      [3, 2],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [2, 3],
      [1, 2],
    ],
  ],
  ['i,i->i', [[1], [3]]],
] as [string, number[][]][])('%s of %j broadcasts sizes of 1', check);

test('works with sizes that only the running graph knows', async () => {
  await checkGradients({
    inputs: { x0: [2, 3], x1: [3, 2] },
    dims: { x0: ['n', 'k'], x1: ['k', 'm'] },
    build: einsum('ij,jk->ik'),
  });
  await checkGradients({
    inputs: { x0: [2, 3], x1: [1, 3] },
    dims: { x0: ['n', 'k'], x1: ['other', 'k'] },
    build: einsum('ij,ij->j'),
  });
  await checkGradients({ inputs: { x0: [2, 2] }, dims: { x0: ['n', 'n'] }, build: einsum('ii->i') });
  await checkGradients({ inputs: { x0: [2, 3] }, dims: { x0: ['n', 3] }, build: einsum('ij->') });
});

test('infers sizes by name', () => {
  const g = new GraphBuilder();
  const [a, b] = [g.input('a', 'float32', ['batch', 'n', 8]), g.input('b', 'float32', [8, 'm'])];
  const shapeOf = (equation: string) => g.op('Einsum', [a, b], { equation }).shape;
  expect(shapeOf('bij,jk->bik')).toEqual(['batch', 'n', 'm']);
  expect(shapeOf('bij,jk->kb')).toEqual(['m', 'batch']);
  expect(shapeOf('...j,jk->...k')).toEqual(['batch', 'n', 'm']);
  expect(shapeOf('bij,jk')?.map((dim) => evaluateDim(dim, { batch: 5, n: 6, m: 7 }))).toEqual([5, 6, 7]);
  const unknown = g.input('unknown', 'float32', undefined);
  expect(g.op('Einsum', [a, unknown], { equation: 'bij,jk->bi' }).shape).toEqual(['batch', 'n']);
  expect(g.op('Einsum', [a, unknown], { equation: 'bij,j...->bi...' }).shape).toBeUndefined();
});

test('says whose axes it must know', () => {
  const g = new GraphBuilder();
  const unknown = g.input('unknown', 'float32', undefined);
  const y = g.op('Einsum', [unknown], { equation: '...i->...' });
  expect(() => backward(g, y, [unknown])).toThrow(/"unknown"/);
});

test('a permutation of axes goes back as a Transpose', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3, 4]);
  const [dx] = backward(g, g.op('Einsum', [x], { equation: 'abc->cab' }), [x]);
  expect(g.nodes.filter(({ op }) => op === 'Einsum')).toHaveLength(1);
  expect(dx?.shape).toEqual([2, 3, 4]);
});

test('any equation of two operands has the gradient of its formula', async () => {
  const letters = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 3 });
  const sizes = { a: 1, b: 2, c: 3, d: 2 };
  const equations = fc
    .tuple(letters, letters)
    .chain(([left, right]) =>
      fc.tuple(fc.constant(left), fc.constant(right), fc.shuffledSubarray([...new Set([...left, ...right])])),
    );
  await fc.assert(
    fc.asyncProperty(equations, async ([left, right, output]) => {
      const shapes = [left, right].map((side) => side.map((letter) => sizes[letter]));
      await check(`${left.join('')},${right.join('')}->${output.join('')}`, shapes);
    }),
    { numRuns: 20 },
  );
});

test.each([
  ['ij,jk->ik', [[2, 3]]],
  ['ij->ik', [[2, 3]]],
  ['ij->ii', [[2, 3]]],
  ['ij->i->j', [[2, 3]]],
  ['i1->i', [[2, 3]]],
  ['ijk->i', [[2, 3]]],
  ['...ijk->...i', [[2, 3]]],
  ['...i->i', [[2, 3]]],
  ['i..j->ij', [[2, 3]]],
  ['...i...->...', [[2, 3]]],
  ['ii->i', [[2, 3]]],
  [
    'ij,jk->ik',
    [
      [2, 3],
      [4, 2],
    ],
  ],
  [
    '...i,...i->...',
    [
      [2, 3],
      [4, 3],
    ],
  ],
] as [string, number[][]][])('refuses %s of %j', (equation, shapes) => {
  const g = new GraphBuilder();
  const values = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  expect(() => g.op('Einsum', values, { equation })).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
});

test('refuses more axes than there are letters', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', new Array(60).fill(1));
  expect(() => g.op('Einsum', [x], { equation: '...->...' })).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
});

test('refuses to differentiate by more operands than anyone has', () => {
  const g = new GraphBuilder();
  const values = Array.from({ length: 65 }, (_, i) => g.input(`x${i}`, 'float32', [2]));
  const y = g.op('Einsum', values, { equation: `${values.map(() => 'i').join()}->` });
  expect(() => backward(g, y, values)).toThrow(expect.objectContaining({ code: 'ERR_LIMIT' }));
  const some = values.slice(0, 64);
  const z = g.op('Einsum', some, { equation: `${some.map(() => 'i').join()}->` });
  expect(backward(g, z, some).every((gradient) => gradient?.shape?.[0] === 2)).toBe(true);
});
