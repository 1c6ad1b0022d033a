/** The grid world: an 8x8 grid, a walker who marks the cells that it enters, and what the finished pattern is worth. */

/** Cells of a row, and of a column. */
export const side = 8;

/** Cells of the grid. */
export const cells: number = side * side;

/** The actions, by number. `stop` ends a trajectory. */
export const actions = ['up', 'right', 'down', 'left', 'stop'] as const;

/** The action that ends a trajectory. */
export const stop = 4;

const moves = [
  [-1, 0],
  [0, 1],
  [1, 0],
  [0, -1],
] as const;

/** A state. */
export interface GridState {
  /** Where the walker is: `8 row + column`. */
  readonly position: number;
  /** How often each cell was entered, row by row. A cell is marked if it was. */
  readonly visits: Uint8Array;
}

/** Where every trajectory begins: row 4, column 4 of an empty grid. The cell is not marked. */
export function startState(): GridState {
  return { position: 4 * side + 4, visits: new Uint8Array(cells) };
}

const clamp = (value: number): number => Math.min(Math.max(value, 0), side - 1);

/**
 * The state after an action. Against a wall the walker stays, and enters its cell once more; `stop` changes nothing.
 *
 * @param action - one of {@link actions}, by number.
 */
export function act(state: GridState, action: number): GridState {
  const move = moves[action];
  if (!move) return state;
  const row = clamp(Math.floor(state.position / side) + move[0]);
  const column = clamp((state.position % side) + move[1]);
  const position = row * side + column;
  const visits = state.visits.slice();
  visits[position] = (visits[position] as number) + 1;
  return { position, visits };
}

/**
 * Writes a state as three planes [3, 8, 8]: 1 where a cell is marked, 1 where the walker is, and visits.
 *
 * @param out - 192 zeros.
 */
export function encode({ position, visits }: GridState, out: Float32Array): void {
  for (const [i, count] of visits.entries()) {
    out[i] = Math.min(count, 1);
    out[2 * cells + i] = count;
  }
  out[cells + position] = 1;
}

/** Cells in whose middle a row, or a column, of three marked cells lies; beyond the edge nothing is marked. */
function windows(visits: Uint8Array): number {
  const marked = (row: number, column: number): boolean =>
    row >= 0 && row < side && column >= 0 && column < side && (visits[row * side + column] as number) > 0;
  let found = 0;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      if (!marked(row, column)) continue;
      if (marked(row, column - 1) && marked(row, column + 1)) found++;
      if (marked(row - 1, column) && marked(row + 1, column)) found++;
    }
  }
  return found;
}

/** Share of the cells that are as their mirror image is. */
function likeMirrored(visits: Uint8Array, mirror: (cell: number) => number): number {
  let same = 0;
  for (const [i, count] of visits.entries()) if (count > 0 === (visits[mirror(i)] as number) > 0) same++;
  return same / cells;
}

/**
 * What a pattern is worth: windows + 5 coverage + 3 efficiency + 4 symmetry, as in the paper's code; 4 for the empty
 * grid, 108 for one of which every cell was entered once.
 */
export function rewardOf({ visits }: GridState): number {
  const entered = visits.filter((count) => count > 0).length;
  const all = visits.reduce((sum, count) => sum + count, 0);
  const symmetry =
    likeMirrored(visits, (i) => i - (i % side) + side - 1 - (i % side)) / 2 +
    likeMirrored(visits, (i) => cells - side - i + 2 * (i % side)) / 2;
  return windows(visits) + (5 * entered) / cells + (3 * entered) / (all + 1e-6) + 4 * symmetry;
}
