/** What every backend's operations must do. */

import type { TensorOps } from '@vradam/core';
import type { ConformanceBackend } from '../backend.ts';
import { type Check, expectClose, expectSame, violated } from '../check.ts';

const shapes: readonly (readonly number[])[] = [[], [1], [0], [7], [3, 5], [2, 0, 3], [2, 1, 3], [17, 19]];
const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Numbers between -2 and 2 that look random, are the same everywhere, and are exact in float32. */
function values(shape: readonly number[], seed: number): number[] {
  return Array.from({ length: size(shape) }, (_, i) =>
    Math.fround(2 * Math.sin(1.7 * i + 13.1 * seed + 0.3)),
  );
}

/** One operation against host arithmetic on every shape. */
interface Elementwise<T, S> {
  readonly name: string;
  readonly apply: (ops: TensorOps<T, S>, x: T, y: T) => T;
  readonly host: (x: number, y: number) => number;
}

function elementwise<T, S>(): Elementwise<T, S>[] {
  return [
    {
      name: 'axpby with host numbers',
      apply: (ops, x, y) => ops.axpby(0.9, x, 0.1, y),
      host: (x, y) => 0.9 * x + 0.1 * y,
    },
    {
      name: 'axpby with scalar handles',
      apply: (ops, x, y) => ops.axpby(ops.scalars.of(-2.5, 'a'), x, ops.scalars.of(3, 'b'), y),
      host: (x, y) => -2.5 * x + 3 * y,
    },
    {
      name: 'affine with host numbers',
      apply: (ops, x) => ops.affine(-0.5, x, 4),
      host: (x) => -0.5 * x + 4,
    },
    {
      name: 'affine with scalar handles',
      apply: (ops, x) => ops.affine(ops.scalars.of(0.25, 'a'), x, ops.scalars.of(1e-3, 'b')),
      host: (x) => 0.25 * x + 1e-3,
    },
    { name: 'mul', apply: (ops, x, y) => ops.mul(x, y), host: (x, y) => x * y },
    { name: 'mul of a tensor by itself', apply: (ops, x) => ops.mul(x, x), host: (x) => x * x },
    { name: 'div', apply: (ops, x, y) => ops.div(x, y), host: (x, y) => x / y },
    { name: 'sqrt', apply: (ops, x) => ops.sqrt(ops.mul(x, x)), host: (x) => Math.abs(x) },
  ];
}

type Context<T, S> = { readonly ops: TensorOps<T, S>; readonly tolerance: number };

/** Every result of `scope` is a temporary; this reads one before it goes. */
async function readTemporary<T, S>(ops: TensorOps<T, S>, scope: () => T): Promise<ArrayLike<number>> {
  const result = ops.tidy(scope);
  const data = await ops.toArray(result);
  ops.dispose(result);
  return data;
}

async function readTemporaryScalar<T, S>(ops: TensorOps<T, S>, scope: () => S): Promise<number> {
  const result = ops.tidy(scope);
  const value = await ops.readScalar(result);
  ops.dispose(result);
  return value;
}

async function checkElementwise<T, S>(
  { ops, tolerance }: Context<T, S>,
  { name, apply, host }: Elementwise<T, S>,
): Promise<void> {
  for (const shape of shapes) {
    const [a, b] = [values(shape, 1), values(shape, 2)];
    const [x, y] = [ops.fromArray(a, shape), ops.fromArray(b, shape)];
    const actual = await readTemporary(ops, () => apply(ops, x, y));
    const expected = a.map((value, i) => host(value, b[i] as number));
    expectClose(`${name} of shape [${shape}]`, actual, expected, tolerance);
    expectSame(`the first argument of ${name}`, await ops.toArray(x), a);
    expectSame(`the second argument of ${name}`, await ops.toArray(y), b);
    ops.dispose(x);
    ops.dispose(y);
  }
}

async function checkRoundTrip<T, S>({ ops }: Context<T, S>): Promise<void> {
  for (const shape of shapes) {
    const data = values(shape, 3);
    const x = ops.fromArray(data, shape);
    const [whole, wanted] = [size(ops.shape(x)), size(shape)];
    if (whole !== wanted)
      violated(`shape of a [${shape}] tensor must hold ${wanted} elements. Received: ${whole}.`);
    const copy = await ops.toArray(x);
    expectSame(`toArray of shape [${shape}]`, copy, data);
    copy.fill(5);
    expectSame('a tensor whose copy was changed', await ops.toArray(x), data);
    const zeros = ops.zerosLike(x);
    expectSame(
      'zerosLike',
      await ops.toArray(zeros),
      data.map(() => 0),
    );
    ops.dispose(x);
    ops.dispose(zeros);
  }
  const source = Float64Array.of(1, 2, 3);
  const x = ops.fromArray(source, [3]);
  source.fill(9);
  expectSame('a tensor whose source was changed', await ops.toArray(x), [1, 2, 3]);
  ops.dispose(x);
}

async function checkSpecialValues<T, S>({ ops }: Context<T, S>): Promise<void> {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const x = ops.fromArray([nan, inf, -inf, 1, -1, 0], [6]);
  const y = ops.fromArray([1, 1, 1, 0, 0, 0], [6]);
  const sums = await readTemporary(ops, () => ops.axpby(1, x, 1, y));
  expectSame('x + y', sums, [nan, inf, -inf, 1, -1, 0]);
  const quotients = await readTemporary(ops, () => ops.div(x, y));
  expectSame('x / y', quotients, [nan, inf, -inf, inf, -inf, nan]);
  const roots = await readTemporary(ops, () => ops.sqrt(x));
  expectSame('sqrt', roots, [nan, inf, nan, 1, nan, 0]);
  ops.dispose(x);
  ops.dispose(y);
}

async function checkSumPower<T, S>({ ops, tolerance }: Context<T, S>): Promise<void> {
  for (const power of [1, 1.5, 2, 3, 4]) {
    for (const shape of [...shapes, [100_000]]) {
      const data = values(shape, 4);
      const x = ops.fromArray(data, shape);
      const sum = await readTemporaryScalar(ops, () => ops.sumPower(x, power));
      const expected = data.reduce((total, value) => total + Math.abs(value) ** power, 0);
      expectClose(`sumPower ${power} of shape [${shape}]`, [sum], [expected], 4 * tolerance);
      ops.dispose(x);
    }
  }
}

async function checkScalars<T, S>({ ops, tolerance }: Context<T, S>): Promise<void> {
  const { scalars } = ops;
  const cases: [string, () => S, number][] = [
    ['of', () => scalars.of(1.5, 'role'), 1.5],
    ['add of a handle and a number', () => scalars.add(scalars.of(2, 'a'), 3), 5],
    ['add of two handles', () => scalars.add(scalars.of(2, 'a'), scalars.of(-7, 'b')), -5],
    ['mul of a number and a handle', () => scalars.mul(-1, scalars.of(0.25, 'a')), -0.25],
    ['div of a number by a handle', () => scalars.div(1, scalars.of(8, 'a')), 0.125],
    ['div by zero', () => scalars.div(1, scalars.of(0, 'a')), Number.POSITIVE_INFINITY],
    ['min of a number and a handle', () => scalars.min(1, scalars.of(3, 'a')), 1],
    ['min with an infinite handle', () => scalars.min(scalars.of(Number.POSITIVE_INFINITY, 'a'), 19), 19],
    ['min with an infinite number', () => scalars.min(scalars.of(3, 'a'), Number.POSITIVE_INFINITY), 3],
    ['sqrt', () => scalars.sqrt(scalars.of(2, 'a')), Math.SQRT2],
    ['sum of one term', () => scalars.sum([scalars.of(4, 'a')]), 4],
  ];
  for (const [name, compute, expected] of cases) {
    expectClose(`scalars: ${name}`, [await readTemporaryScalar(ops, compute)], [expected], tolerance);
  }
  for (const count of [2, 8, 9, 12, 40]) {
    // more terms than a shader has bindings: a backend may add only some of them without saying so
    const sum = await readTemporaryScalar(ops, () =>
      scalars.sum(Array.from({ length: count }, (_, i) => scalars.of(i + 1, `term${i}`))),
    );
    expectClose(`scalars: sum of ${count} terms`, [sum], [(count * (count + 1)) / 2], tolerance);
  }
}

async function checkReplace<T, S>({ ops }: Context<T, S>): Promise<void> {
  const [a, b] = [values([3, 5], 5), values([3, 5], 6)];
  const [x, y] = [ops.fromArray(a, [3, 5]), ops.fromArray(b, [3, 5])];
  const replaced = ops.tidy(() => ops.replace(x, ops.affine(1, y, 0)));
  expectSame('a replaced tensor', await ops.toArray(replaced), b);
  expectSame('the source of a replacement', await ops.toArray(y), b);
  ops.dispose(replaced);
  ops.dispose(y);
}

async function checkTidy<T, S>({ ops }: Context<T, S>, live: (() => number) | undefined): Promise<void> {
  const x = ops.fromArray([1, 2, 3], [3]);
  const before = live?.() ?? 0;
  const [kept, sum] = ops.tidy(() => {
    ops.mul(x, x);
    return [ops.tidy(() => ops.affine(2, x, 1)), ops.sumPower(x, 2)] as const;
  });
  expectSame('a tensor that left a tidy', await ops.toArray(kept), [3, 5, 7]);
  expectSame('a scalar that left a tidy', [await ops.readScalar(sum)], [14]);
  ops.dispose(kept);
  ops.dispose(sum);
  const after = live?.() ?? 0;
  if (after !== before) violated(`tidy must release temporaries. ${after - before} more tensors are alive.`);
  ops.dispose(x);
}

function checkCountNonFinite<T, S>({ ops }: Context<T, S>): void {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const cases: [number[], number][] = [
    [[], 0],
    [[0, -0, 1e-40, 3e38, -3e38], 0],
    [[nan], 1],
    [[1, 2, 3, 4, inf, -inf], 2],
    [[1, 2, 3, 4, 5, 6, 7, nan, 9], 1],
  ];
  for (const [data, expected] of cases) {
    const x = ops.fromArray(data, [data.length]);
    const count = ops.countNonFinite?.(x);
    if (count !== expected) violated(`countNonFinite of [${data}] must be ${expected}. Received: ${count}.`);
    ops.dispose(x);
  }
}

/** Claims about a backend's operations; each makes the operations anew. */
export function tensorOpsChecks<T, S>(backend: ConformanceBackend<T, S>): Check[] {
  const check = (name: string, body: (context: Context<T, S>) => void | string | Promise<void>): Check => ({
    name,
    async run() {
      const ops = await backend.create();
      const outcome = await body({ ops, tolerance: ops.dtype === 'float64' ? 1e-14 : 1e-6 });
      return outcome ?? undefined;
    },
  });
  return [
    check('tensors keep what they are given, and copies are copies', checkRoundTrip),
    ...elementwise<T, S>().map((operation) =>
      check(`${operation.name} is what host arithmetic gives`, (context) =>
        checkElementwise(context, operation),
      ),
    ),
    check('NaN and infinities take the course of IEEE 754', checkSpecialValues),
    check('sumPower is the sum of |x|^power, also of nothing and of 100,000 elements', checkSumPower),
    check('scalars add, multiply, divide and compare, with handles and numbers mixed', checkScalars),
    check('replace moves a value and leaves its source alone', checkReplace),
    check('tidy keeps what it returns and releases the rest', (context) =>
      checkTidy(context, backend.liveTensors),
    ),
    check('countNonFinite counts NaN and infinities only', (context) =>
      context.ops.countNonFinite ? checkCountNonFinite(context) : 'this backend does not see values',
    ),
  ];
}
