/**
 * The control buffer: all that a step knows besides tensors, as 32-bit words. The device counts its steps here by
 * itself, so a step that it skips is not counted even before the host knows.
 *
 * Numbers that change from step to step lie in a ring: those of the n-th step in slot n mod `slots`. A kernel takes the
 * slot that the device's own counter says.
 */

/** Words of one group in `stats`: base rate, effective rate, norm. */
export const statsWords = 4;
/** Words of one group in `groups`: first and last partial sum, its numbers, its rule. */
export const groupWords = 4;
/** `vec4f`s of a 256-byte block; each block belongs to one tensor. */
export const blockVectors = 16;
/** Bytes of a block. */
export const blockBytes = 256;

/** Words of the header. */
export const header = { step: 0, skipped: 1, batch: 2, verdict: 3, factor: 4, words: 5 } as const;

/** Where the parts of the control buffer begin, in words. */
export interface Layout {
  readonly tensors: number;
  readonly groups: number;
  /** Slots of the ring. */
  readonly slots: number;
  /** Numbers of a tensor in a slot. */
  readonly columns: number;
  /** Words of a slot: a rate for each group, then `columns` for each tensor. */
  readonly slotWords: number;
  readonly stats: number;
  /** Gradients that each tensor received and moved by. */
  readonly steps: number;
  /** Gradients of each tensor that came to no step of their own: skipped, or added to an earlier batch's. */
  readonly skips: number;
  /** Whether each tensor has a sum of earlier batches, where only the device knows. */
  readonly gathered: number;
  /** Flags of each tensor in this call. */
  readonly flags: number;
  readonly groupTable: number;
  readonly numbers: number;
  readonly ring: number;
  /** Which tensor each block belongs to. */
  readonly owners: number;
  readonly words: number;
}

/** What a tensor's flags say. */
export const flag = { steps: 1, gathers: 2, adds: 4 } as const;

/** What a {@link Layout} depends on. */
export interface LayoutSizes {
  readonly tensors: number;
  readonly groups: number;
  readonly slots: number;
  readonly columns: number;
  /** Numbers of all groups' rules. */
  readonly numbers: number;
  readonly blocks: number;
}

/** Lays the parts out one after another. */
export function createLayout({ tensors, groups, slots, columns, numbers, blocks }: LayoutSizes): Layout {
  let words: number = header.words;
  const take = (count: number): number => {
    const start = words;
    words += count;
    return start;
  };
  const slotWords = groups + tensors * columns;
  return {
    tensors,
    groups,
    slots,
    columns,
    slotWords,
    stats: take(groups * statsWords),
    steps: take(tensors),
    skips: take(tensors),
    gathered: take(tensors),
    flags: take(tensors),
    groupTable: take(groups * groupWords),
    numbers: take(numbers),
    ring: take(slots * slotWords),
    owners: take(blocks),
    words,
  };
}
