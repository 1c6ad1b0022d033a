/** TensorFlow.js on its WebAssembly backend, with the gradient kernels of @vradam/tfjs. */

import * as tf from '@tensorflow/tfjs';
import * as wasm from '@tensorflow/tfjs-backend-wasm';
import { exportState, importState, registerGradientKernels, SpecOptimizer } from '@vradam/tfjs';
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

async function readVariables(variables: Variables): Promise<Record<string, HostTensor>> {
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

class TfjsSession implements Session {
  readonly #network: SessionOptions['network'];
  readonly #parameters: Variables;
  readonly #buffers: Variables;
  readonly #optimizer: SpecOptimizer;
  readonly #seed: number;
  #passes = 0;

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

  async trainStep(batch: Batch): Promise<StepReport> {
    const begin = performance.now();
    const statistics: BatchStatistics[] = [];
    const masks = openMasks(this.#seed, this.#passes);
    const loss = () => tf.mean(this.#run(batch, statistics, masks).loss) as tf.Scalar;
    const { value, grads } = tf.variableGrads(loss, [...this.#parameters.values()]);
    const middle = performance.now();
    this.#optimizer.applyGradients(grads);
    this.#passes++;
    const end = performance.now();
    this.#moveStatistics(statistics);
    const [mean] = await value.data();
    tf.dispose([value, grads]);
    const { groups } = await this.#optimizer.stats();
    const { learningRate, effectiveLearningRate, norm } = groups.at(-1) as (typeof groups)[number];
    const optimizerMs = end - middle;
    return {
      loss: mean as number,
      learningRate,
      effectiveLearningRate,
      norm,
      stepMs: performance.now() - begin,
      optimizerMs,
    };
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
  }
}

/** Starts the backend. One session at a time: tfjs's registry of variable names is global. */
export async function createTfjsWasmEngine(): Promise<Engine> {
  registerGradientKernels();
  await tf.setBackend('wasm');
  await tf.ready();
  return {
    name: 'tfjs-wasm',
    versions: { '@tensorflow/tfjs': tf.version.tfjs, '@tensorflow/tfjs-backend-wasm': wasm.version_wasm },
    createSession: async (options) => new TfjsSession(options),
  };
}
