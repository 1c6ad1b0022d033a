/** Performance profiles: how often a contender is within a factor of the best, over all tasks. */

/** A contender's profile. */
export interface Profile {
  readonly name: string;
  /** Its cost by the least cost of any, for each task that somebody solved; infinite where it did not. Ascending. */
  readonly ratios: readonly number[];
  /** Mean of the profile over factors from 1 to {@link widest}: 1 is best on every task, 0 never within the widest. */
  readonly score: number;
}

/** The largest factor that counts. */
export const widest = 4;

/** Part of the tasks that are done at no more than `factor` times the least cost: the profile at one factor. */
export function profileAt({ ratios }: Pick<Profile, 'ratios'>, factor: number): number {
  return ratios.length === 0 ? 0 : ratios.filter((ratio) => ratio <= factor).length / ratios.length;
}

/**
 * Profiles of contenders.
 *
 * @param costs - by contender, its cost for each task, in one order of the tasks; infinite where the target was missed.
 * A task that nobody solved says nothing and is left out.
 * @see Dolan and Moré, Benchmarking optimization software with performance profiles, 2002.
 */
export function performanceProfiles(costs: ReadonlyMap<string, readonly number[]>): Profile[] {
  const tasks = Math.max(0, ...[...costs.values()].map(({ length }) => length));
  const least = Array.from({ length: tasks }, (_, i) =>
    Math.min(...[...costs.values()].map((own) => own[i] ?? Number.POSITIVE_INFINITY)),
  );
  return [...costs].map(([name, own]) => {
    const solved = least.flatMap((best, i) =>
      Number.isFinite(best) ? [(own[i] ?? Number.POSITIVE_INFINITY) / best] : [],
    );
    const ratios = solved.sort((a, b) => a - b);
    const within = ratios.filter((ratio) => ratio < widest);
    const area = within.reduce((sum, ratio) => sum + (widest - ratio), 0) / (widest - 1);
    return { name, ratios, score: ratios.length === 0 ? 0 : area / ratios.length };
  });
}
