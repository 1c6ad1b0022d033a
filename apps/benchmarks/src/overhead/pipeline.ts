/** What making batches costs beside the training steps that they are for, and whether epochs leave memory behind. */

import type { Engine, Session } from '../engines/engine.ts';
import { initialParameters, summarize } from '../nn/shapes.ts';
import { median } from '../report/summary.ts';
import { streams } from '../tasks/streams.ts';
import { ownDefaults, type Problem, type Task } from '../tasks/task.ts';

/** Processor time of this process so far, in milliseconds: a busy machine makes it longer for short work and long alike. */
function spentMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What was measured of a task; all times are the processor's. */
export interface Pipeline {
  readonly task: string;
  readonly steps: number;
  /** Median time of making a batch, in milliseconds; the model's own part is not in it. */
  readonly batchMs: number;
  /** Median time that the model took in making a batch, in milliseconds; 0 where it has no part in it. */
  readonly modelMs: number;
  /** Median time of a training step, in milliseconds. */
  readonly stepMs: number;
  /** Median over the steps of (making the batch / the rest of that step's time, the model's part in it). */
  readonly share: number;
  /** Resident memory after each epoch, in MiB. */
  readonly memoryMiB: readonly number[];
}

/** A session that keeps count of how long its model was asked. */
function timed(session: Session): { session: Session; takeMs: () => number } {
  let total = 0;
  const evaluate: Session['evaluate'] = async (batch) => {
    const begin = spentMs();
    const evaluation = await session.evaluate(batch);
    total += spentMs() - begin;
    return evaluation;
  };
  const own = new Proxy(session, {
    get(target, key) {
      if (key === 'evaluate') return evaluate;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const takeMs = (): number => {
    const ms = total;
    total = 0;
    return ms;
  };
  return { session: own, takeMs };
}

/** Times of one step, in milliseconds. */
interface Times {
  readonly batchMs: number;
  readonly modelMs: number;
  readonly stepMs: number;
}

/** An epoch, batch by batch, as a race trains it. */
async function trainEpoch(problem: Problem, session: Session, epoch: number): Promise<Times[]> {
  const { session: asked, takeMs } = timed(session);
  const times: Times[] = [];
  let begin = spentMs();
  for await (const batch of problem.trainBatches(epoch, asked)) {
    const made = spentMs() - begin;
    const modelMs = takeMs();
    const ready = spentMs();
    await session.trainStep(batch);
    times.push({ batchMs: made - modelMs, modelMs, stepMs: spentMs() - ready });
    begin = spentMs();
  }
  return times;
}

const shareOf = ({ batchMs, modelMs, stepMs }: Times): number => batchMs / (modelMs + stepMs);

function startTraining(problem: Problem, engine: Engine, seed: number): Promise<Session> {
  const network = summarize(problem.network);
  const parameters = initialParameters(network, seed, streams.initial);
  const { spec } = problem.optimizer('vradam');
  return engine.createSession({
    network: problem.network,
    parameters,
    buffers: network.buffers,
    optimizer: spec,
    seed,
  });
}

/**
 * Trains the quick preset of a task with VRAdam, and measures each step after the first epoch, in which code is still
 * being compiled.
 *
 * @param epochs - at least 2.
 */
export async function measurePipeline(task: Task, engine: Engine, epochs: number): Promise<Pipeline> {
  const sources = { data: undefined, tokenizer: undefined };
  const options = { ...ownDefaults, ...sources, preset: 'quick', seed: 0, schedule: task.schedule } as const;
  const problem = await task.prepare({ ...options, epochs });
  const session = await startTraining(problem, engine, options.seed);
  const [times, memoryMiB]: [Times[], number[]] = [[], []];
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      const own = await trainEpoch(problem, session, epoch);
      if (epoch > 0) times.push(...own);
      memoryMiB.push(Math.round(process.memoryUsage.rss() / 2 ** 20));
    }
  } finally {
    session.dispose();
  }
  const of = (key: keyof Times) => median(times.map((each) => each[key]));
  const medians = { batchMs: of('batchMs'), modelMs: of('modelMs'), stepMs: of('stepMs') };
  return { task: task.name, steps: times.length, ...medians, share: median(times.map(shareOf)), memoryMiB };
}
