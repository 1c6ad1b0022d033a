/** A graph in a session, with what must be known to call it. */

import { buildModel, encodeModel, type Model, type Value, type ValueSpec } from '@vradam/onnx-autodiff/lazy';
import type { DrawnMask } from './dropout.ts';
import { type CheckedFeeds, checkFeeds, type Feeds } from './feeds.ts';
import { type InputRange, inputRanges, type PlannedGraph } from './graphs.ts';
import {
  type OpenModel,
  type OrtTensor,
  type OrtTensors,
  openModel,
  type Runtime,
  toOrt,
} from './runtime.ts';

/** A graph ready to run. */
export interface Executable {
  /** Checks a call's inputs. */
  check(feeds: Feeds): CheckedFeeds;
  /**
   * Runs it.
   *
   * @param feeds - from `check`.
   * @param weights - values of parameters, buffers and state by input name; more than needed may be given.
   * @param draw - seed and number of the pass, for masks.
   */
  run(
    feeds: CheckedFeeds,
    weights: ReadonlyMap<string, OrtTensor>,
    draw: { seed: number; pass: number },
  ): Promise<OrtTensors>;
  /** Ends the session. */
  release(): Promise<void>;
  /** Nodes of the graph. */
  readonly nodes: number;
  /** Milliseconds that onnxruntime took to make the session. */
  readonly createMs: number;
}

/** What an executable is made of. */
export interface ExecutableParts {
  /** The graph. */
  readonly graph: PlannedGraph;
  /** Its outputs by name. */
  readonly outputs: ReadonlyMap<string, Value>;
  /** Inputs that the session feeds by itself. */
  readonly weights: ReadonlySet<string>;
  /** Outputs that stay in GPU buffers, where the runtime can keep them there. Default none. */
  readonly onGpu?: readonly string[];
}

function isUsers(name: string, { masks }: PlannedGraph, weights: ReadonlySet<string>): boolean {
  return !weights.has(name) && !masks.some((mask) => mask.name === name);
}

const toTensor = (runtime: Runtime, { data, dims }: DrawnMask): OrtTensor =>
  toOrt(runtime, 'float32', data, dims);

/** Nodes that onnxruntime's WebGPU takes and then cannot run: MaxPool that gives indices. */
const refusedByWebGpu = ({ nodes }: Model): string[] =>
  nodes.filter(({ op, outputs }) => op === 'MaxPool' && outputs.length > 1).map(({ name }) => name);

/** Builds the model and opens its session. */
export async function openExecutable(
  runtime: Runtime,
  { graph, outputs, weights, onGpu = [] }: ExecutableParts,
): Promise<Executable> {
  const keepInputs = (name: string): boolean => isUsers(name, graph, weights);
  const model: Model = buildModel(graph.g, { outputs, parametersAsInputs: true, keepInputs });
  const placement = { onGpu, onCpu: refusedByWebGpu(model) };
  const open: OpenModel = await openModel(runtime, encodeModel(model), placement);
  const inputs: readonly ValueSpec[] = model.inputs.filter(({ name }) => isUsers(name, graph, weights));
  const own = model.inputs.filter(({ name }) => weights.has(name)).map(({ name }) => name);
  const used = new Set(model.inputs.map(({ name }) => name));
  const masks = graph.masks.filter(({ name }) => used.has(name));
  const drawMasks = masks.length > 0 ? (await import('./dropout.ts')).drawMasks : (): DrawnMask[] => [];
  const ranges: ReadonlyMap<string, InputRange> = inputRanges(graph);
  return {
    nodes: model.nodes.length,
    createMs: open.createMs,
    check: (feeds) => checkFeeds(runtime, inputs, ranges, feeds),
    release: () => open.release(),
    run({ tensors, sizes }, values, { seed, pass }) {
      const given = own.map((name) => [name, values.get(name) as OrtTensor] as const);
      const drawn = drawMasks(masks, sizes, seed, pass).map(
        (mask) => [mask.name, toTensor(runtime, mask)] as const,
      );
      return open.run({ ...tensors, ...Object.fromEntries(given), ...Object.fromEntries(drawn) });
    },
  };
}
