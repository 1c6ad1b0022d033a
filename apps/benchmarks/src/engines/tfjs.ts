/** TensorFlow.js on any of its backends, trained by @vradam/tfjs. */

import * as tf from '@tensorflow/tfjs';
import { exportState, importState, SpecOptimizer } from '@vradam/tfjs';
import { type MaskSource, openMasks } from '../nn/masks.ts';
import type { Batch, HostTensor } from '../nn/nn.ts';
import { type BatchStatistics, fromHost, tfjsNn } from '../nn/tfjs.ts';
import type { Engine, Evaluation, Session, SessionOptions, Snapshot, StepReport } from './engine.ts';

type Variables = ReadonlyMap<string, tf.Variable>;

function makeVariables(values: ReadonlyMap<string, HostTensor>, trainable: boolean): Variables {
  const made = [...values].map(([name, { shape, data }]): [string, tf.Variable] => {
    const initial = tf.tensor(data.slice(), [...shape], 'float32');
    const variable = tf.variable(initial, trainable, name);
    initial.dispose();
    return [name, variable];
  });
  return new Map(made);
}

async function readVariables(variables: ReadonlyMap<string, tf.Tensor>): Promise<Record<string, HostTensor>> {
  const read = [...variables].map(async ([name, variable]): Promise<[string, HostTensor]> => {
    return [name, { shape: variable.shape, data: Float32Array.from(await variable.data()) }];
  });
  return Object.fromEntries(await Promise.all(read));
}

function assignVariables(variables: Variables, values: Readonly<Record<string, HostTensor>>): void {
  for (const [name, variable] of variables) {
    const { shape, data } = values[name] as HostTensor;
    tf.tidy(() => variable.assign(tf.tensor(data.slice(), [...shape], 'float32')));
  }
}

/**
 * Distance of the two points of a Hessian's product. Rounding asks for a large one, and the corners of a ReLU for a small one: over a
 * corner the difference of two gradients is no derivative. For a small residual network 5e-4 to 5e-5 came within 2 %.
 */
const hessianStep = 2e-4;

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** `tensors + factor vector`. */
const moved = (
  tensors: Readonly<Record<string, HostTensor>>,
  vector: Readonly<Record<string, Float32Array>>,
  factor: number,
): Record<string, HostTensor> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => {
      const direction = vector[name] as Float32Array;
      return [
        name,
        { shape, data: Float32Array.from(data, (x, i) => x + factor * (direction[i] as number)) },
      ];
    }),
  );

const difference = (
  a: HostTensor['data'] = new Float32Array(),
  b: HostTensor['data'] = a,
  divisor = 1,
): Float32Array => Float32Array.from(a, (x, i) => (x - (b[i] as number)) / divisor);

class TfjsSession implements Session {
  readonly #network: SessionOptions['network'];
  readonly #parameters: Variables;
  readonly #buffers: Variables;
  readonly #optimizer: SpecOptimizer;
  readonly #seed: number;
  #passes = 0;
  /** Sums of gradients, of so many batches. */
  #sums: tf.NamedTensorMap = {};
  #batches = 0;

  constructor({ network, parameters, buffers, optimizer, seed = 0 }: SessionOptions) {
    this.#network = network;
    this.#parameters = makeVariables(parameters, true);
    this.#buffers = makeVariables(buffers, false);
    this.#optimizer = new SpecOptimizer(optimizer);
    this.#seed = seed;
  }

  #run(batch: Batch, statistics: BatchStatistics[] | null, masks: MaskSource | null) {
    const nn = tfjsNn({ parameters: this.#parameters, buffers: this.#buffers, statistics, masks });
    const inputs = Object.entries(batch).map(([name, tensor]) => [name, fromHost(tensor)]);
    return this.#network.run<tf.Tensor>(nn, Object.fromEntries(inputs));
  }

  /** Loss and gradients of a batch in training, both the caller's; the statistics that it saw, too. */
  #gradients(batch: Batch, statistics: BatchStatistics[]): { value: tf.Scalar; grads: tf.NamedTensorMap } {
    const masks = openMasks(this.#seed, this.#passes);
    const loss = () => tf.mean(this.#run(batch, statistics, masks).loss) as tf.Scalar;
    return tf.variableGrads(loss, [...this.#parameters.values()]);
  }

  async trainStep(batch: Batch): Promise<StepReport> {
    const begin = performance.now();
    const statistics: BatchStatistics[] = [];
    const { value, grads } = this.#gradients(batch, statistics);
    const { optimizerMs, ...rates } = await this.#apply(grads);
    this.#passes++;
    this.#moveStatistics(statistics);
    const [mean] = await value.data();
    tf.dispose([value, grads]);
    return { loss: mean as number, ...rates, stepMs: performance.now() - begin, optimizerMs };
  }

  /** A step of the optimizer. The gradients stay the caller's. */
  async #apply(grads: tf.NamedTensorMap): Promise<Omit<StepReport, 'loss' | 'stepMs'>> {
    const begin = performance.now();
    this.#optimizer.applyGradients(grads);
    const optimizerMs = performance.now() - begin;
    const { groups } = await this.#optimizer.stats();
    const { learningRate, effectiveLearningRate, norm } = groups.at(-1) as (typeof groups)[number];
    return { learningRate, effectiveLearningRate, norm, optimizerMs };
  }

  async accumulate(batch: Batch): Promise<number> {
    const statistics: BatchStatistics[] = [];
    const { value, grads } = this.#gradients(batch, statistics);
    this.#passes++;
    this.#moveStatistics(statistics);
    for (const [name, gradient] of Object.entries(grads)) {
      const before = this.#sums[name];
      this.#sums[name] = before ? tf.add(before, gradient) : gradient;
      if (before) tf.dispose([before, gradient]);
    }
    this.#batches++;
    const [mean] = await value.data();
    value.dispose();
    return mean as number;
  }

  async optimizerStep(): Promise<Omit<StepReport, 'loss'>> {
    const begin = performance.now();
    const means = tf.tidy(() =>
      Object.fromEntries(Object.entries(this.#sums).map(([name, sum]) => [name, tf.div(sum, this.#batches)])),
    );
    const report = await this.#apply(means);
    tf.dispose([means, this.#sums]);
    this.#sums = {};
    this.#batches = 0;
    return { ...report, stepMs: performance.now() - begin };
  }

  /** `(g(p + h v) - g(p - h v)) / 2 h`, as tfjs has no gradients of its gradient kernels. */
  async hessianVectorProduct(
    batch: Batch,
    vector: Readonly<Record<string, Float32Array>>,
  ): Promise<Readonly<Record<string, Float32Array>>> {
    const length = Math.sqrt(Object.values(vector).reduce((sum, v) => sum + dot(v, v), 0));
    if (length === 0) return vector;
    const before = await readVariables(this.#parameters);
    const h = hessianStep / 2 / length;
    const gradientAt = async (shift: number): Promise<Record<string, HostTensor>> => {
      assignVariables(this.#parameters, moved(before, vector, shift));
      const statistics: BatchStatistics[] = [];
      const { value, grads } = this.#gradients(batch, statistics);
      const read = await readVariables(new Map(Object.entries(grads)));
      tf.dispose([value, grads, statistics.map(({ mean, variance }) => [mean, variance])]);
      return read;
    };
    try {
      const [ahead, behind] = [await gradientAt(h), await gradientAt(-h)];
      return Object.fromEntries(
        Object.keys(vector).map((name) => [name, difference(ahead[name]?.data, behind[name]?.data, 2 * h)]),
      );
    } finally {
      assignVariables(this.#parameters, before);
    }
  }

  /** running <- (1 - momentum) running + momentum batch, with the unbiased variance */
  #moveStatistics(statistics: readonly BatchStatistics[]): void {
    for (const { name, momentum, mean, variance, count } of statistics) {
      tf.tidy(() => {
        const move = (buffer: string, batch: tf.Tensor) => {
          const running = this.#buffers.get(`${name}.${buffer}`) as tf.Variable;
          running.assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(batch, momentum)));
        };
        move('runningMean', mean);
        move('runningVariance', tf.mul(variance, count / Math.max(count - 1, 1)));
      });
      tf.dispose([mean, variance]);
    }
  }

  async evaluate(batch: Batch): Promise<Evaluation> {
    const { loss, outputs } = tf.tidy(() => this.#run(batch, null, null));
    const losses = Float32Array.from(await loss.data());
    const read = Object.entries(outputs).map(async ([name, output]): Promise<[string, HostTensor]> => {
      return [name, { shape: output.shape, data: Float32Array.from(await output.data()) }];
    });
    const evaluation = { losses, outputs: Object.fromEntries(await Promise.all(read)) };
    tf.dispose([loss, outputs]);
    return evaluation;
  }

  async save(): Promise<Snapshot> {
    return {
      parameters: await readVariables(this.#parameters),
      buffers: await readVariables(this.#buffers),
      optimizer: await exportState(this.#optimizer),
      passes: this.#passes,
    };
  }

  async load({ parameters, buffers, optimizer, passes }: Snapshot): Promise<void> {
    this.#passes = passes;
    assignVariables(this.#parameters, parameters);
    assignVariables(this.#buffers, buffers);
    importState(this.#optimizer, optimizer);
  }

  dispose(): void {
    this.#optimizer.dispose();
    tf.dispose([...this.#parameters.values(), ...this.#buffers.values()]);
    tf.dispose(this.#sums);
  }
}

/** A backend that is registered with tfjs. */
export interface TfjsParts extends Pick<Engine, 'name' | 'versions'> {
  /** Its name in tfjs. */
  readonly backend: string;
}

/**
 * An engine on a backend. One session at a time, of all such engines together: tfjs's registry of variable names is
 * global, and so is the backend in use.
 */
export async function tfjsEngine({ name, versions, backend }: TfjsParts): Promise<Engine> {
  const use = async (): Promise<void> => {
    await tf.setBackend(backend);
    await tf.ready();
  };
  await use();
  return {
    name,
    hessianStep,
    versions: { '@tensorflow/tfjs': tf.version.tfjs, ...versions },
    async createSession(options) {
      await use();
      return new TfjsSession(options);
    },
    close: async () => {},
  };
}
