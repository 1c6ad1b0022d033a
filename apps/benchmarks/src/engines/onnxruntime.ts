/** Any module of onnxruntime, in Node or in a page, trained by @vradam/onnxruntime. */

import type { Value } from '@vradam/onnx-autodiff';
import {
  createTrainingSession,
  type Feeds,
  type OrtModule,
  type TrainingSession,
  type TrainResult,
} from '@vradam/onnxruntime';
import { benchmarkError } from '../errors.ts';
import type { Batch, HostTensor } from '../nn/nn.ts';
import { lossesOutput, onnxGraph } from '../nn/onnx.ts';
import type { Engine, Evaluation, Session, SessionOptions, Snapshot, StepReport } from './engine.ts';

const toFeeds = (batch: Batch): Feeds =>
  Object.fromEntries(
    Object.entries(batch).map(([name, { shape, data }]) => [name, { dims: [...shape], data }]),
  );

const toRecord = (
  values: ReadonlyMap<string, Float32Array>,
  shapes: ReadonlyMap<string, HostTensor>,
): Record<string, HostTensor> =>
  Object.fromEntries(
    [...values].map(([name, data]) => [name, { shape: (shapes.get(name) as HostTensor).shape, data }]),
  );

const toValues = (tensors: Readonly<Record<string, HostTensor>>): Map<string, Float32Array> =>
  new Map(Object.entries(tensors).map(([name, { data }]) => [name, Float32Array.from(data)]));

/** What a step says of the last group, which is that of all parameters. */
function rates(
  groups: TrainResult['groups'],
): Pick<StepReport, 'learningRate' | 'effectiveLearningRate' | 'norm'> {
  const { learningRate, effectiveLearningRate, norm } = groups.at(-1) as (typeof groups)[number];
  return { learningRate, effectiveLearningRate, norm };
}

class OnnxruntimeSession implements Session {
  readonly #session: TrainingSession;
  readonly #initial: SessionOptions;

  constructor(session: TrainingSession, initial: SessionOptions) {
    this.#session = session;
    this.#initial = initial;
  }

  async trainStep(batch: Batch): Promise<StepReport> {
    const begin = performance.now();
    const { loss, groups } = await this.#session.trainStep(toFeeds(batch));
    // a step in the graph does not look at gradients; a loss that is no number says as much, one step later
    if (!Number.isFinite(loss)) {
      throw benchmarkError('ERR_NON_FINITE', {
        wrong: 'the loss must be finite',
        received: String(loss),
        action: 'Lower the learning rate.',
      });
    }
    // forward, backward and update are one run of one graph
    return { loss, ...rates(groups), stepMs: performance.now() - begin, optimizerMs: null };
  }

  async accumulate(batch: Batch): Promise<number> {
    return (await this.#session.accumulate(toFeeds(batch))).loss;
  }

  async optimizerStep(): Promise<Omit<StepReport, 'loss'>> {
    const begin = performance.now();
    const { groups } = await this.#session.optimizerStep();
    const ms = performance.now() - begin;
    return { ...rates(groups), stepMs: ms, optimizerMs: ms };
  }

  async hessianVectorProduct(
    batch: Batch,
    vector: Readonly<Record<string, Float32Array>>,
  ): Promise<Readonly<Record<string, Float32Array>>> {
    const product = await this.#session.hessianVectorProduct(toFeeds(batch), vector);
    const zeros = (name: string) => new Float32Array((vector[name] as Float32Array).length);
    return Object.fromEntries(
      Object.keys(vector).map((name) => [name, (product[name]?.data as Float32Array) ?? zeros(name)]),
    );
  }

  async evaluate(batch: Batch): Promise<Evaluation> {
    const { [lossesOutput]: losses, ...outputs } = await this.#session.run(toFeeds(batch));
    const read = Object.entries(outputs).map(([name, { dims, data }]): [string, HostTensor] => {
      return [name, { shape: dims, data: data as Float32Array }];
    });
    return { losses: losses?.data as Float32Array, outputs: Object.fromEntries(read) };
  }

  async save(): Promise<Snapshot> {
    const { parameters, buffers, optimizer, passes } = await this.#session.save();
    return {
      parameters: toRecord(parameters, this.#initial.parameters),
      buffers: toRecord(buffers, this.#initial.buffers),
      optimizer,
      passes,
    };
  }

  async load({ parameters, buffers, optimizer, passes }: Snapshot): Promise<void> {
    await this.#session.load({
      parameters: toValues(parameters),
      buffers: toValues(buffers),
      optimizer,
      seed: this.#initial.seed ?? 0,
      passes,
    });
  }

  dispose(): void {
    void this.#session.dispose();
  }
}

/** A module of onnxruntime, and where it runs. */
export interface OnnxruntimeParts extends Pick<Engine, 'name' | 'versions'> {
  readonly ort: OrtModule;
  /** `webgpu`, or what the module does unless asked. */
  readonly executionProviders?: readonly string[];
  /** Threads of each session; undefined for the machine's cores. WebAssembly has one in any case. */
  readonly threads?: number | undefined;
}

/** An engine on a module of onnxruntime. */
export function onnxruntimeEngine(parts: OnnxruntimeParts): Engine {
  const { name, versions, ort, executionProviders, threads } = parts;
  return {
    name,
    hessianStep: null,
    versions,
    async createSession(options) {
      const session = await createTrainingSession(ort, {
        model: onnxGraph(options.network, options),
        loss: (g, values) => g.reduceMean(values.get(lossesOutput) as Value),
        optimizer: options.optimizer,
        trainable: [...options.parameters.keys()],
        seed: options.seed ?? 0,
        ...(executionProviders && { executionProviders }),
        ...(threads !== undefined && { sessionOptions: { intraOpNumThreads: threads } }),
      });
      return new OnnxruntimeSession(session, options);
    },
    close: async () => {},
  };
}
