/** Training on onnxruntime. */

import { encodeModel, sizeOf, withOperators } from '@vradam/onnx-autodiff/lazy';
import type { Checkpoint, Shapes } from './checkpoint.ts';
import { fail } from './errors.ts';
import type { Executable } from './executable.ts';
import { checkValues, type Feeds } from './feeds.ts';
import { GradientSum } from './gradientSum.ts';
import { inferenceModel } from './graphs.ts';
import { type Kind, openKind, vectorName } from './kinds.ts';
import type { EvalResult, GradientResult, HostTensor, SessionStats, TrainResult } from './results.ts';
import { type OrtTensor, type OrtTensors, toOrt } from './runtime.ts';
import {
  type Draw,
  type GroupReport,
  gradientsIn,
  lossOutput,
  nextOutput,
  numberIn,
  outputsNamed,
  shapeIn,
  type Update,
  type UpdateContext,
} from './update/update.ts';

/** Everything a session consists of. */
interface SessionParts {
  readonly context: UpdateContext;
  readonly update: Update;
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
  readonly #sum = new GradientSum();
  #disposed = false;

  /**
   * Use {@link createTrainingSession}.
   *
   * @internal
   */
  constructor(parts: SessionParts) {
    const { plan, bufferNames } = parts.context;
    this.#parts = parts;
    this.#seed = parts.seed;
    this.#shapes = new Map(
      [...plan.trainable, ...bufferNames].map((name) => [name, shapeIn(plan.model, name)]),
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

  /** Runs a graph, which is made when it is first needed. */
  async #run(kind: Kind, feeds: Feeds, tensors = this.#parts.update.tensors): Promise<OrtTensors> {
    const { context, update } = this.#parts;
    const known = this.#executables.get(kind) ?? openKind(kind, context, new Set(update.tensors.keys()));
    this.#executables.set(kind, known);
    known.catch(() => this.#executables.delete(kind));
    const executable = await known;
    return executable.run(executable.check(feeds), tensors, this.#draw);
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
      const results = await this.#run('gradients', feeds);
      this.#passes++;
      this.#sum.add(gradientsIn(results));
      this.#parts.update.setBuffers(new Map(Object.entries(outputsNamed(results, nextOutput('')))));
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
      const before = update.counters.step;
      const { groups } = await update.apply(this.#sum.mean());
      this.resetGradients();
      return this.#report(before, groups);
    });
  }

  /** Forgets the accumulated gradients. */
  resetGradients(): void {
    this.#sum.clear();
  }

  /** Loss and outputs in evaluation: running statistics, no Dropout. */
  evalStep(feeds: Feeds): Promise<EvalResult> {
    return this.#exclusive(async () => {
      const results = await this.#run('eval', feeds);
      const { [lossOutput]: _, ...outputs } = results;
      return { loss: numberIn(results, lossOutput), outputs };
    });
  }

  /** Inference with the current weights: the model's outputs by name. */
  run(feeds: Feeds): Promise<Readonly<Record<string, OrtTensor>>> {
    return this.#exclusive(() => this.#run('run', feeds));
  }

  /** Loss and gradients of a batch in training mode, with the masks of the next step. Nothing changes. */
  gradients(feeds: Feeds): Promise<GradientResult> {
    return this.#exclusive(async () => {
      const results = await this.#run('gradients', feeds);
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
      const { context, update } = this.#parts;
      checkValues('vector', vector, context.plan.trainable, this.#shapes);
      const tensors = new Map(update.tensors);
      for (const name of context.plan.trainable) {
        const shape = this.#shapes.get(name) as readonly number[];
        const data = vector[name] ?? new Float32Array(sizeOf(shape));
        tensors.set(vectorName(name), toOrt(context.runtime, 'float32', data, shape));
      }
      return gradientsIn(await this.#run('hessian', feeds, tensors));
    });
  }

  /** Copies of all trained parameters. */
  parameters(): Promise<Readonly<Record<string, HostTensor>>> {
    return this.#exclusive(async () => {
      const { parameters } = await this.#parts.update.save();
      const dimsOf = (name: string) => this.#shapes.get(name) as number[];
      return Object.fromEntries([...parameters].map(([name, data]) => [name, { dims: dimsOf(name), data }]));
    });
  }

  /** Gives parameters new values, all or some; the state of the optimizer stays. */
  loadParameters(values: Readonly<Record<string, Float32Array>>): Promise<void> {
    return this.#exclusive(async () => {
      checkValues('parameter', values, this.#parts.context.plan.trainable, this.#shapes);
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
    return this.#exclusive(async () => this.#continue(checkpoint));
  }

  #continue(checkpoint: Checkpoint): void {
    this.#parts.update.load(checkpoint);
    this.#seed = checkpoint.seed;
    this.#passes = checkpoint.passes;
    this.resetGradients();
  }

  /** What `save` gives, as a safetensors file. */
  async saveCheckpoint(): Promise<Uint8Array<ArrayBuffer>> {
    const checkpoint = await this.save();
    const { encodeCheckpoint } = await import('./checkpoint.ts');
    return encodeCheckpoint(checkpoint, this.#shapes);
  }

  /**
   * Continues from a checkpoint of the same model and optimizer, wherever that ran.
   *
   * @throws VRAdamError `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`; then nothing changed.
   */
  loadCheckpoint(bytes: Uint8Array): Promise<void> {
    return this.#exclusive(async () => {
      const { plan, bufferNames } = this.#parts.context;
      const { decodeCheckpoint } = await import('./checkpoint.ts');
      this.#continue(decodeCheckpoint(bytes, [...plan.trainable], bufferNames, this.#shapes));
    });
  }

  /** An ordinary ONNX model for inference, with the trained weights; inputs, outputs and metadata are the model's. */
  exportModel(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#exclusive(async () => {
      const { parameters, buffers } = await this.#parts.update.save();
      const learnt = new Map([...parameters, ...buffers]);
      return encodeModel(await withOperators(() => inferenceModel(this.#parts.context.plan, learnt)));
    });
  }

  /** Sets the learning rate from the next step on; null returns to that of the optimizer. */
  setLearningRate(learningRate: number | null, group?: string): Promise<void> {
    return this.#exclusive(async () => this.#parts.update.setLearningRate(learningRate, group));
  }

  /** Facts about the session. */
  stats(): SessionStats {
    const { context, update } = this.#parts;
    const sizes = [...context.plan.trainable].map((name) => sizeOf(this.#shapes.get(name) as number[]));
    return {
      update: update.placement,
      runtime: `onnxruntime-${context.runtime.kind} ${context.runtime.version}`,
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
