/** Operators that are loaded when something needs them. Nothing here may import the entry that has them all. */

import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Graph } from '../src/lazy.ts';
import { families } from '../src/operators/onDemand.ts';

const code = (expected: string) => expect.objectContaining({ name: 'VRAdamError', code: expected });
const unloaded = code('ERR_OPERATOR_UNLOADED');

/** The package as a page finds it that has just been opened. */
async function freshPackage() {
  const { parts, registered, rules } = await import('../src/operators/registry.ts');
  const loaded = () =>
    Object.keys({ ...registered, ...rules, ...(parts.inlineFunctions ? { functions: true } : {}) }).sort();
  return { ...(await import('../src/lazy.ts')), loaded };
}

let fresh: Awaited<ReturnType<typeof freshPackage>>;
beforeEach(async () => {
  vi.resetModules();
  fresh = await freshPackage();
});

const vector = (g: Graph) => g.input('x', 'float32', [3]);

describe('families', () => {
  test.each(families.map(({ names }) => [names.join(', '), names] as const))(
    '%s are loaded by any of them, and nothing besides',
    async (_, names) => {
      expect(fresh.loaded()).toEqual([]);
      await fresh.loadOperators(names.at(-1) as string);
      expect(fresh.loaded()).toEqual([...names].sort());
    },
  );

  test('are all in the entry that need not load any', async () => {
    const { operators } = await import('../src/index.ts');
    const names = families.flatMap((one) => one.names).filter((name) => name !== 'functions');
    expect(Object.keys(operators)).toEqual(expect.arrayContaining(names));
  });

  test('have no operator in common', () => {
    const names = families.flatMap((one) => one.names);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('an operator that is not here', () => {
  test('is an error that says how to load it', async () => {
    const g = new fresh.GraphBuilder();
    expect(() => g.op('Mish', [vector(g)])).toThrowError(unloaded);
    expect(() => g.op('Mish', [g.inputs[0]])).toThrowError("await loadOperators('Mish')");
    await fresh.loadOperators('Mish');
    expect(g.op('Mish', [g.inputs[0]]).shape).toEqual([3]);
  });

  test('is an error for a word of the builder, too', async () => {
    const g = new fresh.GraphBuilder();
    const x = g.input('x', 'float32', [1, 1, 4, 4]);
    expect(() => g.maxPool(x, { kernel_shape: [2, 2] })).toThrowError(unloaded);
    await fresh.loadOperators('MaxPool');
    expect(g.maxPool(x, { kernel_shape: [2, 2] }).shape).toEqual([1, 1, 3, 3]);
  });

  test('may be there all the same, and only its rule not', async () => {
    const g = new fresh.GraphBuilder();
    const table = g.input('table', 'float32', [5, 2]);
    const rows = g.gather(table, g.input('rows', 'int64', [3]));
    const build = () => fresh.backward(g, g.reduceSum(rows), [table]);
    expect(build).toThrowError(unloaded);
    const [gradient] = await fresh.withOperators(build);
    expect(gradient?.shape).toEqual([5, 2]);
  });

  test("is none where the user's own takes its place", () => {
    const twice = { infer: () => [{ dtype: 'float32', shape: [7] } as const], gradient: 'zero' } as const;
    const g = new fresh.GraphBuilder({ operators: { Mish: twice } });
    expect(g.op('Mish', [vector(g)]).shape).toEqual([7]);
  });

  test('is passed over if nobody knows it', async () => {
    await fresh.loadOperators('Nonsense', 'Add');
    const g = new fresh.GraphBuilder();
    expect(g.op('Nonsense', [vector(g)]).shape).toBeUndefined();
    expect(fresh.loaded()).toEqual([]);
  });
});

describe('building with operators', () => {
  test('begins anew with whatever was missing', async () => {
    let builds = 0;
    const nodes = await fresh.withOperators(() => {
      builds++;
      const g = new fresh.GraphBuilder();
      g.op('Einsum', [g.op('Mish', [vector(g)])], { equation: 'i->' });
      return g.nodes.map(({ op }) => op);
    });
    expect(nodes).toEqual(['Mish', 'Einsum']);
    expect(builds).toBe(3);
  });

  test('throws what the work throws', async () => {
    const build = vi.fn(() => {
      throw new RangeError('no');
    });
    await expect(fresh.withOperators(build)).rejects.toThrow('no');
    expect(build).toHaveBeenCalledTimes(1);
  });

  test('does not go on where loading does not help', async () => {
    const other = Object.assign(new Error('of another copy'), {
      code: 'ERR_OPERATOR_UNLOADED',
      cause: 'Mish',
    });
    const build = vi.fn(() => {
      throw other;
    });
    await expect(fresh.withOperators(build)).rejects.toBe(other);
    expect(build).toHaveBeenCalledTimes(2);
  });
});
