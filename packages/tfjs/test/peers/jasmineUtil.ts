/**
 * In place of tfjs-core's `jasmine_util`: the same environments' set-up and clean-up, under Vitest, once for each
 * backend and path.
 */

import { engine, setBackend } from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Peer, peers, replacePeers } from './replacePeers.ts';

export const ALL_ENVS = {};

// Jasmine's way to say that a spec has an expectation although nothing calls `expect`
Object.assign(globalThis, {
  expect: Object.assign(
    (...args: [unknown?]) => (args.length === 0 ? { nothing: () => {} } : expect(...args)),
    expect,
  ),
});

/** A spec that ours must fail, with the very words, and why that is right. */
interface Exception {
  readonly suite: RegExp;
  readonly spec: RegExp;
  readonly where: (peer: Peer) => boolean;
  readonly failsWith: RegExp;
  readonly why: string;
}

const exceptions: Exception[] = [
  {
    suite: /^Momentum/,
    spec: /^basic/,
    where: () => true,
    failsWith: /expected 1 to be \+?0/,
    why: "tfjs's Momentum keeps its factor as a tensor of its own, and the spec counts it; ours is a number",
  },
  {
    suite: /^Adam/,
    spec: /^basic/,
    where: ({ adam, fused }) => adam === 'VRAdam' && fused === false,
    failsWith: /expected 6 to be 5/,
    why: 'VRAdam keeps the norm of its last step for stats(), a tensor on the portable path',
  },
  {
    suite: /^Adam/,
    spec: /^Continue training/,
    where: ({ adam, fused }) => adam === 'VRAdam' && fused === false,
    failsWith: /expected 2 to deeply equal [3-9]/,
    why: 'the spec takes tensors that the failed one before it left for steps',
  },
];

function runSpecs(suite: string, peer: Peer, tests: () => void): void {
  const run = it;
  Object.assign(globalThis, {
    it(name: string, body: () => unknown) {
      const exception = exceptions.find(
        ({ suite: of, spec, where }) => of.test(suite) && spec.test(name) && where(peer),
      );
      if (!exception) return run(name, body as () => void);
      const { failsWith, why } = exception;
      return run(`${name}, but: ${why}`, () => expect(async () => body()).rejects.toThrow(failsWith));
    },
  });
  tests();
}

/** Runs the specs on each backend, with each kind of optimizer in place of tfjs's own. */
export function describeWithFlags(suite: string, _constraints: object, tests: () => void): void {
  for (const backend of ['cpu', 'wasm']) {
    for (const [name, peer] of peers) {
      describe(`${suite} on ${backend}, ${name}`, () => {
        beforeAll(async () => {
          engine().reset();
          await setBackend(backend);
        });
        beforeEach(() => {
          replacePeers(peer);
          engine().startScope();
        });
        afterEach(() => {
          engine().endScope();
          engine().disposeVariables();
        });
        afterAll(() => engine().reset());
        runSpecs(suite, peer, tests);
      });
    }
  }
}
