/** What is worth knowing of a sample besides its loss, which can fall while all trajectories become the same. */

import { cells, type GridState } from './environment.ts';
import { rewards, type Sample } from './trajectories.ts';

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Mean number of cells in which two patterns differ, over all pairs; 0 for a single pattern. */
function diversity({ states, trajectories }: Sample): number {
  const patterns = trajectories.map(({ rows }) => (states[rows.at(-1) as number] as GridState).visits);
  const pairs = (patterns.length * (patterns.length - 1)) / 2;
  let differences = 0;
  for (let cell = 0; cell < cells; cell++) {
    const marked = patterns.filter((visits) => (visits[cell] as number) > 0).length;
    differences += marked * (patterns.length - marked);
  }
  return pairs > 0 ? differences / pairs : 0;
}

/**
 * The metrics of a sample: `meanReward`, `maxReward`, `diversity` (mean pairwise Hamming distance of the patterns, in
 * cells), `meanLength` (steps) and `states` (different ones).
 */
export function metricsOf(sample: Sample): Record<string, number> {
  const worth = rewards(sample);
  return {
    meanReward: mean(worth),
    maxReward: Math.max(...worth),
    diversity: diversity(sample),
    meanLength: mean(sample.trajectories.map(({ length }) => length)),
    states: sample.states.length,
  };
}

/** Entropy of the policy in nats, summed over the steps of a trajectory and averaged over trajectories. */
export function meanEntropy({ policy, trajectories }: Sample, stepsOf: 'length' | 'all'): number {
  const byState = policy.map((row) => -row.reduce((sum, p) => sum + p * Math.log(p + 1e-10), 0));
  const totals = trajectories.map(({ rows, actions, length }) => {
    const steps = stepsOf === 'length' ? length : actions.length;
    return rows.slice(0, steps).reduce((sum, row) => sum + (byState[row] as number), 0);
  });
  return mean(totals);
}
