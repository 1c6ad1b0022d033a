/** Training on onnxruntime. Over 300 lines, half of which say what the calls of one class do. */

import { buildModel, encodeModel, type Model, type Tensor } from '@vradam/onnx-autodiff';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type Shapes } from './checkpoint.ts';
import { fail, show } from './errors.ts';
import type { Executable } from './executable.ts';
import type { Feeds } from './feeds.ts';
import { type GraphPlan, planGraph } from './graphs.ts';
import { type Kind, openKind, vectorName } from './kinds.ts';
import { checkOptions, placementOf, type TrainingSessionOptions } from './options.ts';
import type { EvalResult, GradientResult, HostTensor, SessionStats, TrainResult } from './results.ts';
import { type OrtModule, type OrtTensor, openRuntime, type Runtime, toOrt } from './runtime.ts';
import { readModel } from './source.ts';
import { GraphUpdate } from './update/graph.ts';
import { HostUpdate } from './update/host.ts';
import {
  type Draw,
  type GroupReport,
  gradientName,
  lossOutput,
  nextOutput,
  numberIn,
  type StepOutcome,
  shapeIn,
  type Update,
  type UpdateContext,
} from './update/update.ts';

/** Everything a session consists of. */
interface SessionParts {
  readonly runtime: Runtime;
  readonly plan: GraphPlan;
  readonly update: Update;
  readonly context: UpdateContext;
  readonly seed: number;
}

/** A model in training. Made by {@link createTrainingSession}. */
export class TrainingSession {
  readonly #parts: SessionParts;
  readonly #shapes: Shapes;
  readonly #executables = new Map<Kind, Promise<Executable>>();
  #queue: Promise<unknown> = Promise.resolve();
  #seed: number;
  #passes = 0;
  #groups: readonly GroupReport[] = [];
  #sums: Map<string, Float32Array> | undefined;
  #batches = 0;
  #disposed = false;

  /** Use {@link createTrainingSession}. */
  constructor(parts: SessionParts) {
    const { plan, context } = parts;
    this.#parts = parts;
    this.#seed = parts.seed;
    this.#shapes = new Map(
      [...plan.trainable, ...context.bufferNames].map((name) => [name, shapeIn(plan.model, name)]),
    );
  }

  /** One call after the other: onnxruntime's sessions and our state are no place for two at a time. */
  #exclusive<R>(work: () => Promise<R>): Promise<R> {
    const result = this.#queue.then(() => {
      if (this.#disposed) fail('ERR_DISPOSED', 'the session was disposed. Received: a call after dispose().');
      return work();
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  get #draw(): Draw {
    return { seed: this.#seed, pass: this.#passes };
  }

  /** A graph that is made when it is first needed. */
  #executable(kind: Kind): Promise<Executable> {
    const known = this.#executables.get(kind) ?? this.#open(kind);
    this.#executables.set(kind, known);
    known.catch(() => this.#executables.delete(kind));
    return known;
  }

  #open(kind: Kind): Promise<Executable> {
    const { plan, runtime, update } = this.#parts;
    return openKind(kind, plan, runtime, new Set(update.tensors.keys()));
  }

  /**
   * Forward, backward, and a step of the optimizer.
   *
   * @param feeds - inputs of the model and of the loss, by name.
   * @throws VRAdamError `ERR_FEED_*` before anything runs; `ERR_NON_FINITE` if the optimizer refuses the gradients. The
   *   session stays as it was.
   */
  trainStep(feeds: Feeds): Promise<TrainResult> {
    return this.#exclusive(async () => {
      const { update } = this.#parts;
      const checked = await update.check(feeds);
      const before = update.counters.step;
      const { loss, groups } = await update.trainStep(checked, this.#draw);
      this.#passes++;
      return { loss: loss as number, ...this.#report(before, groups) };
    });
  }

  #report(before: number, groups: readonly GroupReport[]): Omit<TrainResult, 'loss'> {
    const { step } = this.#parts.update.counters;
    if (step > before) this.#groups = groups;
    return { step, skipped: step === before, groups };
  }

  /**
   * Adds a batch's gradients to those of the batches before; {@link TrainingSession.optimizerStep} takes their mean.
   *
   * @returns the loss of the batch.
   */
  accumulate(feeds: Feeds): Promise<{ readonly loss: number }> {
    return this.#exclusive(async () => {
      const executable = await this.#executable('gradients');
      const { update } = this.#parts;
      const results = await executable.run(executable.check(feeds), update.tensors, this.#draw);
      this.#passes++;
      this.#sums ??= new Map();
      for (const [name, { data }] of Object.entries(gradientsIn(results))) {
        const sum = this.#sums.get(name);
        if (sum) for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (data[i] as number);
        else this.#sums.set(name, data.slice());
      }
      this.#batches++;
      const buffers = Object.entries(results).filter(([name]) => name.startsWith(nextOutput('')));
      update.setBuffers(
        new Map(buffers.map(([name, tensor]) => [name.slice(nextOutput('').length), tensor])),
      );
      return { loss: numberIn(results, lossOutput) };
    });
  }

  /**
   * A step with the mean of the accumulated gradients.
   *
   * @throws VRAdamError `ERR_UNSUPPORTED` if nothing was accumulated.
   */
  optimizerStep(): Promise<Omit<TrainResult, 'loss'>> {
    return this.#exclusive(async () => {
      const { update } = this.#parts;
      const sums =
        this.#sums ??
        fail('ERR_UNSUPPORTED', 'optimizerStep() needs gradients. Received: none. Call accumulate() before.');
      const means = [...sums].map(([name, sum]) => [name, sum.map((x) => x / this.#batches)] as const);
      const before = update.counters.step;
      const { groups }: StepOutcome = await update.apply(new Map(means));
      this.resetGradients();
      return this.#report(before, groups);
    });
  }

  /** Forgets the accumulated gradients. */
  resetGradients(): void {
    this.#sums = undefined;
    this.#batches = 0;
  }

  /** Loss and outputs in evaluation: running statistics, no Dropout. */
  evalStep(feeds: Feeds): Promise<EvalResult> {
    return this.#exclusive(async () => {
      const executable = await this.#executable('eval');
      const results = await executable.run(executable.check(feeds), this.#parts.update.tensors, this.#draw);
      const { [lossOutput]: loss, ...outputs } = results;
      return { loss: numberIn({ loss: loss as OrtTensor }, 'loss'), outputs };
    });
  }

  /** Inference with the current weights: the model's outputs by name. */
  run(feeds: Feeds): Promise<Readonly<Record<string, OrtTensor>>> {
    return this.#exclusive(async () => {
      const executable = await this.#executable('run');
      return executable.run(executable.check(feeds), this.#parts.update.tensors, this.#draw);
    });
  }

  /** Loss and gradients of a batch in training mode, with the masks of the next step. Nothing changes. */
  gradients(feeds: Feeds): Promise<GradientResult> {
    return this.#exclusive(async () => {
      const executable = await this.#executable('gradients');
      const results = await executable.run(executable.check(feeds), this.#parts.update.tensors, this.#draw);
      return { loss: numberIn(results, lossOutput), gradients: gradientsIn(results) };
    });
  }

  /**
   * Exact product of the Hessian of the loss with a vector, in training mode. Nothing changes.
   *
   * @param vector - numbers by parameter name, as many as the parameter has; a missing one is zero.
   * @returns the product by parameter name; parameters that it does not reach are left out.
   */
  hessianVectorProduct(
    feeds: Feeds,
    vector: Readonly<Record<string, Float32Array>>,
  ): Promise<Readonly<Record<string, HostTensor>>> {
    return this.#exclusive(async () => {
      const { plan, runtime, update } = this.#parts;
      this.#checkNames('vector', vector);
      const tensors = new Map(update.tensors);
      for (const name of plan.trainable) {
        const shape = this.#shapes.get(name) as readonly number[];
        const data = vector[name] ?? new Float32Array(shape.reduce((a, b) => a * b, 1));
        tensors.set(vectorName(name), toOrt(runtime, 'float32', data, shape));
      }
      const executable = await this.#executable('hessian');
      return gradientsIn(await executable.run(executable.check(feeds), tensors, this.#draw));
    });
  }

  #checkNames(what: string, values: Readonly<Record<string, Float32Array>>): void {
    for (const [name, data] of Object.entries(values)) {
      const shape = this.#shapes.get(name);
      if (!shape || !this.#parts.plan.trainable.has(name)) {
        fail(
          'ERR_PARAMETER_UNKNOWN',
          `${what} must name parameters. Received: ${show(name)}. There are: ${[...this.#parts.plan.trainable].slice(0, 20).join(', ')}.`,
        );
      }
      const size = shape.reduce((a, b) => a * b, 1);
      if (!(data instanceof Float32Array) || data.length !== size) {
        fail(
          'ERR_SHAPE_MISMATCH',
          `${what} ${show(name)} must be a Float32Array of ${size} elements. Received: ${data?.length ?? typeof data}.`,
        );
      }
    }
  }

  /** Copies of all trained parameters. */
  parameters(): Promise<Readonly<Record<string, HostTensor>>> {
    return this.#exclusive(async () => {
      const { parameters } = await this.#parts.update.save();
      const named = [...parameters].map(
        ([name, data]) => [name, { dims: this.#shapes.get(name) as number[], data }] as const,
      );
      return Object.fromEntries(named);
    });
  }

  /** Gives parameters new values, all or some; the state of the optimizer stays. */
  loadParameters(values: Readonly<Record<string, Float32Array>>): Promise<void> {
    return this.#exclusive(async () => {
      this.#checkNames('parameter', values);
      this.#parts.update.setParameters(new Map(Object.entries(values)));
    });
  }

  /** Weights, running statistics, state of the optimizer, passes and seed, as plain data. */
  save(): Promise<Checkpoint> {
    return this.#exclusive(async () => {
      return { ...(await this.#parts.update.save()), seed: this.#seed, passes: this.#passes };
    });
  }

  /**
   * Continues from what `save` gave, of the same model and optimizer, wherever that ran.
   *
   * @throws VRAdamError `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`; then nothing changed.
   */
  load(checkpoint: Checkpoint): Promise<void> {
    return this.#exclusive(async () => {
      this.#parts.update.load(checkpoint);
      this.#seed = checkpoint.seed;
      this.#passes = checkpoint.passes;
      this.resetGradients();
    });
  }

  /** What `save` gives, as a safetensors file. */
  async saveCheckpoint(): Promise<Uint8Array<ArrayBuffer>> {
    return encodeCheckpoint(await this.save(), this.#shapes);
  }

  /**
   * Continues from a checkpoint of the same model and optimizer, wherever that ran.
   *
   * @throws VRAdamError `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`; then nothing changed.
   */
  async loadCheckpoint(bytes: Uint8Array): Promise<void> {
    const { plan, context } = this.#parts;
    await this.load(decodeCheckpoint(bytes, [...plan.trainable], context.bufferNames, this.#shapes));
  }

  /** An ordinary ONNX model for inference, with the trained weights; inputs, outputs and metadata are the model's. */
  exportModel(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#exclusive(async () => {
      const { parameters, buffers } = await this.#parts.update.save();
      const learnt = new Map([...parameters, ...buffers]);
      const { plan } = this.#parts;
      const initializers = [...plan.model.initializers].map(([name, tensor]): [string, Tensor] => {
        return [name, { ...tensor, data: learnt.get(name) ?? tensor.data }];
      });
      const trained: Model = { ...plan.model, initializers: new Map(initializers) };
      const { g } = planGraph({ ...plan, model: trained }, 'eval', false);
      return encodeModel(buildModel(g, { like: plan.model }));
    });
  }

  /** Sets the learning rate from the next step on; null returns to that of the optimizer. */
  setLearningRate(learningRate: number | null, group?: string): Promise<void> {
    return this.#exclusive(async () => this.#parts.update.setLearningRate(learningRate, group));
  }

  /** Facts about the session. */
  stats(): SessionStats {
    const { runtime, update, plan } = this.#parts;
    const sizes = [...plan.trainable].map((name) =>
      (this.#shapes.get(name) as number[]).reduce((a, b) => a * b, 1),
    );
    return {
      update: update.placement,
      runtime: `onnxruntime-${runtime.kind} ${runtime.version}`,
      step: update.counters.step,
      skippedSteps: update.counters.skippedSteps,
      parameterCount: sizes.reduce((a, b) => a + b, 0),
      groups: this.#groups,
      ...update.cost,
    };
  }

  /** Ends all sessions and releases all tensors. Calls in progress finish first. */
  dispose(): Promise<void> {
    return this.#exclusive(async () => {
      this.#disposed = true;
      await this.#parts.update.release();
      for (const executable of this.#executables.values()) await (await executable).release();
    });
  }
}

/** The gradients among the outputs of a run. */
function gradientsIn(results: Readonly<Record<string, OrtTensor>>): Record<string, HostTensor> {
  const prefix = gradientName('');
  const found = Object.entries(results).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(
    found.map(([name, { dims, data }]) => [name.slice(prefix.length), { dims, data: data as Float32Array }]),
  );
}

/**
 * Opens a model for training.
 *
 * @param ort - your module of onnxruntime: `onnxruntime-node`, `onnxruntime-web`, `onnxruntime-web/webgpu`.
 * @returns a session; `dispose()` it when done.
 * @throws VRAdamError `ERR_OPTION_*`, `ERR_FILE_FORMAT`, `ERR_MODEL_INVALID`, `ERR_OPERATOR_UNSUPPORTED`,
 *   `ERR_PARAMETER_UNKNOWN`, `ERR_UNSUPPORTED`.
 */
export async function createTrainingSession(
  ort: OrtModule,
  options: TrainingSessionOptions,
): Promise<TrainingSession> {
  const runtime = openRuntime(ort, options);
  const model = await readModel(options.model, options.externalData);
  const { trainable, bufferNames, batchNorm, seed, update } = checkOptions(options, model);
  const { loss, optimizer, operators = {} } = options;
  const plan: GraphPlan = { model, loss, trainable, batchNorm, operators, plainBatchNorm: runtime.isWebGpu };
  const context: UpdateContext = { runtime, plan, spec: optimizer, bufferNames };
  const placement = placementOf(update, runtime, optimizer, model, trainable);
  const made = placement === 'graph' ? new GraphUpdate(context) : new HostUpdate(context);
  await made.prepare();
  return new TrainingSession({ runtime, plan, update: made, context, seed });
}
