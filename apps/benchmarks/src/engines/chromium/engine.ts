/** Engines whose sessions are in a page of Chromium; here are their proxies. */

import type { OptimizerSpec } from '@vradam/core';
import type { Batch } from '../../nn/nn.ts';
import { recordNetwork } from '../../nn/tape.ts';
import type { Engine, Evaluation, Session, SessionOptions, Snapshot, StepReport } from '../engine.ts';
import { PageProcess } from './browser.ts';
import type { Method, Started } from './messages.ts';
import { describeSpec, ratesAround } from './spec.ts';

class ChromiumSession implements Session {
  readonly #page: PageProcess;
  readonly #id: number;
  readonly #optimizer: OptimizerSpec;
  /** Steps of the optimizer, which schedules count. */
  #steps = 0;

  constructor(page: PageProcess, id: number, optimizer: OptimizerSpec) {
    this.#page = page;
    this.#id = id;
    this.#optimizer = optimizer;
  }

  async trainStep(batch: Batch): Promise<StepReport> {
    const report = await this.#call('trainStep', [batch], `training step ${this.#steps}`);
    this.#steps++;
    return report as StepReport;
  }

  async accumulate(batch: Batch): Promise<number> {
    return (await this.#call('accumulate', [batch], `the gradients of step ${this.#steps}`)) as number;
  }

  async optimizerStep(): Promise<Omit<StepReport, 'loss'>> {
    const report = await this.#call('optimizerStep', [], `optimizer step ${this.#steps}`);
    this.#steps++;
    return report as Omit<StepReport, 'loss'>;
  }

  async hessianVectorProduct(
    batch: Batch,
    vector: Readonly<Record<string, Float32Array>>,
  ): Promise<Readonly<Record<string, Float32Array>>> {
    const product = await this.#call('hessianVectorProduct', [batch, vector], 'a product with the Hessian');
    return product as Readonly<Record<string, Float32Array>>;
  }

  async evaluate(batch: Batch): Promise<Evaluation> {
    return (await this.#call('evaluate', [batch], `an evaluation after step ${this.#steps}`)) as Evaluation;
  }

  async save(): Promise<Snapshot> {
    return (await this.#call('save', [], `a checkpoint after step ${this.#steps}`)) as Snapshot;
  }

  async load(snapshot: Snapshot): Promise<void> {
    await this.#call('load', [snapshot], 'the loading of a checkpoint');
    this.#steps = snapshot.optimizer.step;
  }

  dispose(): void {
    // where the browser is gone, so is the session
    this.#call('dispose', [], 'the end of a session').catch(() => null);
  }

  #call(method: Method, given: readonly unknown[], what: string): Promise<unknown> {
    const rates = ratesAround(this.#optimizer, this.#steps);
    return this.#page.ask({ kind: 'call', session: this.#id, method, given, rates }, what);
  }
}

async function openSession(page: PageProcess, options: SessionOptions): Promise<Session> {
  const { network, parameters, buffers, optimizer, seed = 0 } = options;
  const request = {
    kind: 'open',
    network: recordNetwork(network),
    parameters: [...parameters],
    buffers: [...buffers],
    optimizer: describeSpec(optimizer, [...parameters.keys()]),
    rates: ratesAround(optimizer, 0),
    seed,
  } as const;
  const id = (await page.ask(request, 'the start of a session')) as number;
  return new ChromiumSession(page, id, optimizer);
}

/**
 * Starts Chromium and an engine in it.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` without Chromium, or without an adapter in it.
 */
export async function startChromiumEngine(name: string): Promise<Engine> {
  const page = await PageProcess.open();
  try {
    const started = (await page.ask({ kind: 'start', engine: name }, `the start of ${name}`)) as Started;
    return {
      name,
      hessianStep: started.hessianStep,
      versions: { ...started.versions, chromium: page.version },
      createSession: (options) => openSession(page, options),
      close: () => page.close(),
    };
  } catch (error) {
    await page.close();
    throw error;
  }
}
