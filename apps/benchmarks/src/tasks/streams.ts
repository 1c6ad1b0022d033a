/** Who draws from which random stream of a run's seed. */

/** Independent random streams of one seed. */
export const streams = {
  split: 0,
  initial: 1,
  training: (epoch: number): number => 2 + 2 * epoch,
  validation: (epoch: number): number => 3 + 2 * epoch,
} as const;
