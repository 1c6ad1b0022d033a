/** The grid world of the GFlowNet task. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openRandom } from '../src/random.ts';
import {
  act,
  actions,
  cells,
  encode,
  type GridState,
  rewardOf,
  side,
  startState,
  stop,
} from '../src/tasks/gflownet/environment.ts';

const walk = (path: readonly number[]): GridState => path.reduce(act, startState());
const path = fc.array(fc.integer({ min: 0, max: stop }), { maxLength: 64 });
const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

/** The state that has these cells, each entered once. */
const marked = (isMarked: (row: number, column: number) => boolean): GridState => ({
  position: 0,
  visits: Uint8Array.from({ length: cells }, (_, i) => Number(isMarked(Math.floor(i / side), i % side))),
});

test('the numbers of the specification: 4 for stopping at once, 108 for every cell entered once', () => {
  expect(rewardOf(walk([stop]))).toBe(4);
  expect(rewardOf(marked(() => true))).toBeCloseTo(96 + 5 + 3 + 4, 6);
});

test('a row, a half and a corner are worth what the formula says', () => {
  // six windows in the row; it is its own mirror image from left to right, two rows differ from top to bottom
  expect(rewardOf(marked((row) => row === 0))).toBeCloseTo(6 + 5 / 8 + 3 + (4 * (1 + 48 / 64)) / 2, 6);
  // 4 rows of 6 windows, 8 columns of 2; nothing is as its image from top to bottom
  expect(rewardOf(marked((row) => row < 4))).toBeCloseTo(24 + 16 + 2.5 + 3 + 2, 6);
  expect(rewardOf(marked((row, column) => row + column === 0))).toBeCloseTo(5 / 64 + 3 + 4 * (62 / 64), 5);
});

test('a uniform policy has mean reward 6.9 with deviation 1.9, mean length 5.1, and 21.6 for the longest of 64', () => {
  const random = openRandom(1, 0);
  const [rewards, lengths]: [number[], number[]] = [[], []];
  for (let i = 0; i < 64 * 500; i++) {
    let [state, length, action] = [startState(), 0, -1];
    while (action !== stop && length < 64) {
      action = random.integer(actions.length);
      state = act(state, action);
      length++;
    }
    rewards.push(rewardOf(state));
    lengths.push(length);
  }
  const mean = sum(rewards) / rewards.length;
  const deviation = Math.sqrt(sum(rewards.map((reward) => (reward - mean) ** 2)) / rewards.length);
  const longest = Array.from({ length: 500 }, (_, i) => Math.max(...lengths.slice(64 * i, 64 * (i + 1))));
  const found = [mean, deviation, sum(lengths) / lengths.length, sum(longest) / longest.length];
  // the specification's numbers are of a sample, too
  for (const [i, wanted] of [6.9, 1.9, 5.1, 21.6].entries())
    expect(Math.abs((found[i] as number) / wanted - 1)).toBeLessThan(0.02);
});

test('a move enters one neighbour or, at a wall, its own cell again; stop changes nothing', () => {
  const property = fc.property(path, fc.integer({ min: 0, max: stop }), (before, action) => {
    const state = walk(before);
    const after = act(state, action);
    if (action === stop) expect(after).toEqual(state);
    if (action === stop) return;
    const distance = [side, 1].map(
      (width) => Math.floor(after.position / width) - Math.floor(state.position / width),
    );
    const isAtWall = after.position === state.position;
    const [row, column] = [Math.floor(state.position / side), state.position % side];
    const wall = [row === 0, column === side - 1, row === side - 1, column === 0][action];
    expect(isAtWall).toBe(wall);
    if (!isAtWall) expect(distance[1]).toBe([-side, 1, side, -1][action]);
    expect(sum(after.visits) - sum(state.visits)).toBe(1);
    expect((after.visits[after.position] as number) - (state.visits[after.position] as number)).toBe(1);
  });
  fc.assert(property);
});

test('a reward is in [0, 108] whatever way was walked, and the same for mirrored and transposed patterns', () => {
  const flip = (
    { position, visits }: GridState,
    cell: (row: number, column: number) => number,
  ): GridState => ({
    position,
    visits: visits.map((_, i) => visits[cell(Math.floor(i / side), i % side)] as number),
  });
  fc.assert(
    fc.property(path, (steps) => {
      const state = walk(steps);
      const reward = rewardOf(state);
      expect(reward).toBeGreaterThanOrEqual(0);
      expect(reward).toBeLessThanOrEqual(108);
      const images = [
        flip(state, (row, column) => row * side + side - 1 - column),
        flip(state, (row, column) => (side - 1 - row) * side + column),
        flip(state, (row, column) => column * side + row),
      ];
      for (const image of images) expect(rewardOf(image)).toBeCloseTo(reward, 9);
    }),
  );
});

test('an encoded state is its marks, its position and its visits', () => {
  fc.assert(
    fc.property(path, (steps) => {
      const state = walk(steps);
      const planes = new Float32Array(3 * cells);
      encode(state, planes);
      const [marks, position, visits] = [0, 1, 2].map((i) => planes.subarray(i * cells, (i + 1) * cells));
      expect(visits).toEqual(Float32Array.from(state.visits));
      expect(marks).toEqual(Float32Array.from(state.visits, (count) => Number(count > 0)));
      expect([sum(position ?? []), position?.indexOf(1)]).toEqual([1, state.position]);
    }),
  );
});
