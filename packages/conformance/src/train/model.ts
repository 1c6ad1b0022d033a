/** Training reference files, schema `vradam-train/1`: a multi-layer perceptron on digits. */

import { asArray, asCount, asNumber, asNumbers, asObject, asString, malformed } from '../json.ts';

/** An array of a file. */
export interface NamedArray {
  /** Row-major shape. */
  readonly shape: readonly number[];
  /** Its elements. */
  readonly data: readonly number[];
}

/**
 * The model: `x = pixels / scale`, then linear layers with ReLU between, then the mean cross-entropy of the softmax.
 * Weights are [out, in], as in PyTorch.
 */
export interface TrainModel {
  /** Names of (weight, bias) of every layer, in order. */
  readonly layers: readonly (readonly [weight: string, bias: string])[];
  /** Initial parameters by name. */
  readonly initial: Readonly<Record<string, NamedArray>>;
  /** Inputs [rows, features], already scaled. */
  readonly inputs: NamedArray;
  /** Class of every row. */
  readonly labels: readonly number[];
}

/** The model's loss on a backend. */
export interface TrainProblem<T> {
  /**
   * Mean loss over some rows, and its gradients.
   *
   * @param rows - indices of inputs.
   * @returns gradients owned by the caller.
   */
  lossAndGradients(
    parameters: Readonly<Record<string, T>>,
    rows: readonly number[],
  ): Promise<{ readonly loss: number; readonly gradients: Readonly<Record<string, T>> }>;
}

/** One run of a file. */
export interface TrainRun {
  /** Its label. */
  readonly label: string;
  /** As in trajectory files. */
  readonly optimizer: string;
  /** As in trajectory files. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Loss before each update. */
  readonly loss: readonly number[];
  /** Effective learning rate of each update, where the optimizer has one. */
  readonly eta: readonly number[] | undefined;
  /** Limit of the relative deviation of `loss`, by step. */
  readonly lossTolerance: readonly number[];
  /** Limit of the relative deviation of `eta`, by step. */
  readonly etaTolerance: readonly number[] | undefined;
}

/** A whole file. */
export interface TrainFile {
  /** Model and data. */
  readonly model: TrainModel;
  /** Rows of every step. */
  readonly batches: readonly (readonly number[])[];
  /** Runs. */
  readonly runs: readonly TrainRun[];
}

const readers: Readonly<Record<string, (view: DataView, i: number) => number>> = {
  uint8: (view, i) => view.getUint8(i),
  float32: (view, i) => view.getFloat32(4 * i, true),
  float64: (view, i) => view.getFloat64(8 * i, true),
};
const widths: Readonly<Record<string, number>> = { uint8: 1, float32: 4, float64: 8 };

function decodeBase64(text: string, path: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return malformed(path, 'base64', text);
  }
}

function asNamedArray(value: unknown, path: string): NamedArray {
  const { shape, dtype, base64 } = asObject(value, path);
  const type = asString(dtype, `${path}.dtype`);
  const read = readers[type] ?? malformed(`${path}.dtype`, Object.keys(readers).join(', '), dtype);
  const sizes = asArray(shape, `${path}.shape`, asCount);
  const bytes = decodeBase64(asString(base64, `${path}.base64`), `${path}.base64`);
  const length = sizes.reduce((product, size) => product * size, 1);
  if (bytes.length !== length * (widths[type] as number))
    malformed(`${path}.base64`, `${length} elements`, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { shape: sizes, data: Array.from({ length }, (_, i) => read(view, i)) };
}

/** The divisor in a transform such as `x = u8/16`. */
function asScale(transform: unknown): number {
  const scale = Number(/u8\s*\/\s*([\d.]+)/.exec(asString(transform, 'data.transform'))?.[1]);
  return scale > 0 ? scale : malformed('data.transform', '"x = u8/<number>"', transform);
}

function asLayers(order: readonly string[], initial: TrainModel['initial']): TrainModel['layers'] {
  const weights = order.filter((name) => name.endsWith('.weight'));
  const layers = weights.map((weight) => [weight, weight.replace(/weight$/, 'bias')] as const);
  if (layers.length === 0 || layers.flat().join() !== order.join()) {
    malformed('parameterOrder', 'weight and bias of one linear layer after another', order);
  }
  for (const [weight, bias] of layers) {
    const [out] =
      initial[weight]?.shape ?? malformed('initial', `an object with ${weight}`, Object.keys(initial));
    if (initial[bias]?.shape.join() !== String(out))
      malformed(`initial.${bias}`, `of shape [${out}]`, initial[bias]?.shape);
  }
  return layers;
}

function asRun(value: unknown, path: string): TrainRun {
  const { label, optimizer, options, loss, eta, deviation } = asObject(value, path);
  const tolerances = asObject(deviation, `${path}.deviation`);
  const hasRate = eta !== undefined && eta !== null;
  return {
    label: asString(label, `${path}.label`),
    optimizer: asString(optimizer, `${path}.optimizer`),
    options: asObject(options, `${path}.options`),
    loss: asNumbers(loss, `${path}.loss`),
    eta: hasRate ? asNumbers(eta, `${path}.eta`) : undefined,
    lossTolerance: asNumbers(tolerances['toleranceLossRel'], `${path}.deviation.toleranceLossRel`),
    etaTolerance: hasRate
      ? asNumbers(tolerances['toleranceEtaRel'], `${path}.deviation.toleranceEtaRel`)
      : undefined,
  };
}

/** Rows of every step: as listed, or the whole training range. */
function asBatches(value: unknown, train: unknown, steps: number): number[][] {
  if (value !== null && value !== undefined)
    return asArray(value, 'batches', (batch, path) => asArray(batch, path, asCount));
  const [begin = 0, end = 0] = asArray(train, 'data.train', asCount);
  const all = Array.from({ length: end - begin }, (_, i) => begin + i);
  return Array.from({ length: steps }, () => all);
}

/**
 * Reads a training reference from parsed JSON.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT` naming the place.
 */
export function parseTrainFile(json: unknown): TrainFile {
  const file = asObject(json, 'file');
  if (file['schema'] !== 'vradam-train/1') malformed('schema', '"vradam-train/1"', file['schema']);
  const data = asObject(file['data'], 'data');
  const scale = asScale(data['transform']);
  const images = asNamedArray(data['images'], 'data.images');
  const initial = Object.fromEntries(
    Object.entries(asObject(file['initial'], 'initial')).map(([name, value]) => [
      name,
      asNamedArray(value, `initial.${name}`),
    ]),
  );
  const runs = asArray(file['runs'], 'runs', asRun);
  const batches = asBatches(file['batches'], data['train'], asNumber(file['steps'], 'steps'));
  const rows = images.shape[0] ?? 0;
  for (const run of runs) {
    if (run.loss.length !== batches.length)
      malformed(`runs: loss of ${run.label}`, `${batches.length} numbers`, run.loss.length);
  }
  if (batches.some((batch) => batch.length === 0 || batch.some((row) => row >= rows))) {
    malformed('batches', `lists of rows below ${rows}`, 'a row outside');
  }
  return {
    model: {
      layers: asLayers(asArray(file['parameterOrder'], 'parameterOrder', asString), initial),
      initial,
      inputs: { shape: images.shape, data: images.data.map((pixel) => pixel / scale) },
      labels: asNamedArray(data['labels'], 'data.labels').data,
    },
    batches,
    runs,
  };
}
