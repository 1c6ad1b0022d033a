/** Modules of onnxruntime that write down what they are asked. */

import type { OrtModule, OrtSession, OrtTensors } from '../src/index.ts';

/** Options of a session, as they arrive. */
export interface Creation {
  readonly executionProviders?: readonly unknown[];
  readonly preferredOutputLocation?: Readonly<Record<string, string>>;
}

/** A run, as it was asked for, and what came out. */
export interface RecordedRun {
  /** Arguments. */
  readonly given: readonly unknown[];
  /** Where the inputs were when it began. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Where the outputs were when it ended. */
  outputs: Readonly<Record<string, string>>;
}

/** A module with a memory. */
export interface Recording {
  /** The module to hand over. */
  readonly ort: OrtModule;
  /** Options of each session. */
  readonly creations: Creation[];
  /** Model of each session. */
  readonly models: Uint8Array[];
  /** Each run. */
  readonly runs: RecordedRun[];
  /** Sessions that were not released. */
  open: number;
}

const locations = (tensors: object): Record<string, string> =>
  Object.fromEntries(Object.entries(tensors as OrtTensors).map(([name, { location }]) => [name, location]));

/** Passes all on to a module and writes it down. */
export function record(module: OrtModule): Recording {
  const create = async (model: Uint8Array, options: object = {}): Promise<OrtSession> => {
    const session = await module.InferenceSession.create(model, options);
    recording.creations.push(options);
    recording.models.push(model);
    recording.open++;
    return {
      async run(...given: [never]) {
        const run: RecordedRun = { given, inputs: locations(given[0]), outputs: {} };
        recording.runs.push(run);
        const results = await session.run(...given);
        run.outputs = locations(results);
        return results;
      },
      async release() {
        recording.open--;
        await session.release();
      },
    };
  };
  const ort = { ...module, InferenceSession: { create } };
  const recording: Recording = { ort, creations: [], models: [], runs: [], open: 0 };
  return recording;
}

/** A module that runs on the CPU, wherever it is told to: what is asked for matters, not what is there. */
export const onCpu = (module: OrtModule): OrtModule => ({
  ...module,
  InferenceSession: {
    create: (model, options) => {
      const { preferredOutputLocation, ...rest } = (options ?? {}) as Creation;
      return module.InferenceSession.create(model, { ...rest, executionProviders: ['cpu'] });
    },
  },
});
