/** What all races together say. */

import { median } from '../summary.ts';
import { type Profile, performanceProfiles } from './profile.ts';
import type { Contender, Race } from './races.ts';

/** Steps to the target, the median over the seeds; infinite if half of them missed it. */
export function medianSteps({ reached }: Pick<Contender, 'reached'>): number {
  return reached && reached.length > 0 ? median(reached.map(({ steps }) => steps)) : Number.POSITIVE_INFINITY;
}

/** Profiles over the races that have a target, of the optimizers that were in all of these. */
export function profilesOf(races: readonly Race[]): Profile[] {
  const judged = races.filter(({ target }) => target !== null);
  const of = (race: Race, optimizer: string) =>
    race.contenders.filter((each) => each.optimizer === optimizer);
  const names = [...new Set(judged.flatMap(({ contenders }) => contenders.map((each) => each.optimizer)))];
  const everywhere = names.filter((name) => judged.every((race) => of(race, name).length > 0));
  const costs = everywhere.map((name): [string, number[]] => [
    name,
    judged.map((race) => Math.min(...of(race, name).map(medianSteps))),
  ]);
  return performanceProfiles(new Map(costs));
}
