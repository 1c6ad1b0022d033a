/** onnxruntime with WebGPU as far as ownership goes: nothing is computed on a GPU, but tensors behave as if. */

import * as node from 'onnxruntime-node';
import type { OrtModule, OrtSession, OrtTensor } from '../src/index.ts';
import { type Creation, onCpu, type Recording, record } from './recordingOrt.ts';

/**
 * A tensor in a GPU buffer of a session. Its elements come by `getData`, which moves it to the CPU. It must be released
 * once, and while its session lives: later onnxruntime-web 1.30 crashes.
 */
export class GpuTensor implements OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  location = 'gpu-buffer';
  /** How many times the buffer was released. */
  releases = 0;
  readonly #content: OrtTensor;
  readonly #session: { isOpen: boolean };

  constructor(content: OrtTensor, session: { isOpen: boolean }) {
    this.#content = content;
    this.#session = session;
    this.type = content.type;
    this.dims = content.dims;
  }

  /** What a run may read. */
  get content(): OrtTensor {
    if (this.location === 'none') throw new Error('the tensor is disposed');
    return this.#content;
  }

  get data(): unknown {
    if (this.location !== 'cpu') throw new Error(`the data is not on the CPU but at ${this.location}`);
    return this.#content.data;
  }

  async getData(releaseData = false): Promise<unknown> {
    const { data } = this.content;
    if (this.location === 'gpu-buffer' && releaseData) this.#release();
    this.location = 'cpu';
    return data;
  }

  dispose(): void {
    // after `getData(true)` there is nothing left to release
    if (this.releases === 0 || this.location === 'none') this.#release();
    this.location = 'none';
  }

  #release(): void {
    if (!this.#session.isOpen) throw new Error('null function: the session was released before');
    this.releases++;
  }
}

/** A recording of a module with WebGPU, and all GPU tensors that came out of it. */
export interface FakeWebGpu extends Recording {
  readonly tensors: GpuTensor[];
}

/** onnxruntime-node in the clothes of `onnxruntime-web/webgpu`. */
export function fakeWebGpu(): FakeWebGpu {
  const tensors: GpuTensor[] = [];
  const { InferenceSession, ...rest } = onCpu(node);
  const create = async (model: Uint8Array, options: Creation = {}): Promise<OrtSession> => {
    const inner = await InferenceSession.create(model, options);
    const state = { isOpen: true };
    const toGpu = (tensor: OrtTensor): OrtTensor => {
      const made = new GpuTensor(tensor, state);
      tensors.push(made);
      return made;
    };
    return {
      async run(feeds) {
        const contents = Object.entries(feeds as object).map(([name, tensor]) => {
          return [name, tensor instanceof GpuTensor ? tensor.content : tensor];
        });
        const results = await inner.run(Object.fromEntries(contents) as never);
        const placed = Object.entries(results).map(([name, tensor]) => {
          return [name, options.preferredOutputLocation?.[name] === 'gpu-buffer' ? toGpu(tensor) : tensor];
        });
        return Object.fromEntries(placed) as object;
      },
      async release() {
        state.isOpen = false;
        await inner.release();
      },
    };
  };
  const web: OrtModule = {
    ...rest,
    InferenceSession: { create },
    env: { versions: { common: '0', web: '0' } },
  };
  return Object.assign(record(web), { tensors });
}
