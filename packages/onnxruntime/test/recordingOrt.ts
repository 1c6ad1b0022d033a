/** Modules of onnxruntime that write down what they are asked, and one that keeps its outputs on a GPU that is none. */

import * as node from 'onnxruntime-node';
import type { OrtModule, OrtSession, OrtTensor } from '../src/index.ts';

/** Options of a session, as they arrive. */
export interface Creation {
  readonly executionProviders?: readonly unknown[];
  readonly preferredOutputLocation?: Readonly<Record<string, string>>;
}

/** A module with a memory. */
export interface Recording {
  /** The module to hand over. */
  readonly ort: OrtModule;
  /** Options of each session. */
  readonly creations: Creation[];
  /** Arguments of each run. */
  readonly runs: unknown[][];
  /** Sessions that were not released. */
  open: number;
}

type Run = (...given: unknown[]) => Promise<object>;

/** Runs a session's `run`, knowing how the session was made. */
type Around = (run: Run, creation: Creation) => Run;

/** Passes all on to a module, but always on the CPU: what is asked for matters, not what is there. */
export function record(module: OrtModule, around: Around = (run) => run): Recording {
  const create = async (model: Uint8Array, options: object = {}): Promise<OrtSession> => {
    const { preferredOutputLocation, ...rest } = options as Creation;
    recording.creations.push(options);
    const session = await module.InferenceSession.create(model, { ...rest, executionProviders: ['cpu'] });
    const run = around((feeds) => session.run(feeds as never), options);
    recording.open++;
    return {
      run(...given: unknown[]) {
        recording.runs.push(given);
        return run(...given);
      },
      async release() {
        recording.open--;
        await session.release();
      },
    };
  };
  const ort = { ...module, InferenceSession: { create } };
  const recording: Recording = { ort, creations: [], runs: [], open: 0 };
  return recording;
}

/** A tensor in a GPU buffer: its elements come by `getData`, which moves it to the CPU, and it must be released. */
export class GpuTensor implements OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  location = 'gpu-buffer';
  disposals = 0;
  readonly content: OrtTensor;

  constructor(content: OrtTensor) {
    this.content = content;
    this.type = content.type;
    this.dims = content.dims;
  }

  get data(): unknown {
    if (this.location !== 'cpu') throw new Error(`the data is not on the CPU but at ${this.location}`);
    return this.content.data;
  }

  async getData(): Promise<unknown> {
    if (this.location === 'none') throw new Error('the tensor is disposed');
    this.location = 'cpu';
    return this.content.data;
  }

  dispose(): void {
    this.location = 'none';
    this.disposals++;
  }
}

/** A recording of a module with WebGPU, and all GPU tensors that came out of it. */
export interface FakeWebGpu extends Recording {
  readonly tensors: GpuTensor[];
}

/** onnxruntime-node in the clothes of `onnxruntime-web/webgpu`. */
export function fakeWebGpu(): FakeWebGpu {
  const tensors: GpuTensor[] = [];
  const toContent = (tensor: unknown): unknown => {
    if (!(tensor instanceof GpuTensor)) return tensor;
    if (tensor.location === 'none') throw new Error('the tensor is disposed');
    return tensor.content;
  };
  const toGpu = (tensor: OrtTensor): OrtTensor => {
    const made = new GpuTensor(tensor);
    tensors.push(made);
    return made;
  };
  const around: Around = (run, { preferredOutputLocation }) => {
    return async (feeds) => {
      const contents = Object.entries(feeds as object).map(([name, tensor]) => [name, toContent(tensor)]);
      const results = Object.entries(await run(Object.fromEntries(contents)));
      return Object.fromEntries(
        results.map(([name, tensor]) => [
          name,
          preferredOutputLocation?.[name] === 'gpu-buffer' ? toGpu(tensor) : tensor,
        ]),
      );
    };
  };
  const web = { ...(node as OrtModule), env: { versions: { common: '0', web: '0' } } };
  return Object.assign(record(web, around), { tensors });
}
