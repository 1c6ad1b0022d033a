/** Who is at a queue: workers of this suite, and of others. */

import type { Queue } from 'bullmq';
import type { Connection } from './connection.ts';
import { keys } from './jobs.ts';

/** Lets sweeps know that a suite has workers here. */
export async function announce({ redis, prefix }: Connection, suite: string): Promise<void> {
  await redis.sadd(keys.suites(prefix), suite);
}

/**
 * Says why nothing happens at a queue; null if it has a worker.
 *
 * @param open - the queue of a suite.
 */
export async function whyIdle(
  { redis, prefix, place }: Connection,
  suite: string,
  open: (suite: string) => Queue,
): Promise<string | null> {
  const workersOf = (each: string): Promise<number> => open(each).getWorkersCount();
  if ((await workersOf(suite)) > 0) return null;
  const others = (await redis.smembers(keys.suites(prefix))).filter((each) => each !== suite);
  const counts = await Promise.all(others.map(async (each) => [each, await workersOf(each)] as const));
  const there = counts.filter(([, count]) => count > 0);
  const none = `The queue at ${place} has no worker for this sweep, which waits for one`;
  if (there.length === 0)
    return `${none}: start vradam-bench worker on other machines, or in another window.`;
  const list = there.map(([each, count]) => `${count} of ${each}`).join(', ');
  return `${none}. It has workers of other versions of the suite (${list}; this is ${suite}): update them, or this one.`;
}
