/** What a file must look like to be read: records come from anywhere. */

/** The type of a value: a name as `typeof` has it, `positive` for a finite number above 0, a list of one type, a choice, or the fields of an object. */
export type Shape =
  | 'string'
  | 'number'
  | 'positive'
  | 'object'
  | { readonly list: Shape }
  | { readonly optional: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Looks for a part that is not of its shape.
 *
 * @param value - anything.
 * @param shape - what it must be; fields that it does not name may be anything.
 * @param path - of the value, for the answer.
 * @returns the path of the first such part; null if there is none.
 */
export function misshapen(value: unknown, shape: Shape, path = ''): string | null {
  if (shape === 'object') return isObject(value) ? null : path;
  if (shape === 'positive') return Number.isFinite(value) && (value as number) > 0 ? null : path;
  if (typeof shape === 'string') return typeof value === shape ? null : path;
  if ('optional' in shape) {
    return value === undefined || value === null ? null : misshapen(value, shape.optional, path);
  }
  if ('list' in shape) {
    if (!Array.isArray(value)) return path;
    return firstOf(value.map((each, i) => misshapen(each, shape.list, `${path}[${i}]`)));
  }
  if (!isObject(value)) return path;
  const prefix = path === '' ? '' : `${path}.`;
  const own = (name: string) => (Object.hasOwn(value, name) ? value[name] : undefined);
  return firstOf(
    Object.entries(shape.fields).map(([name, each]) => misshapen(own(name), each, `${prefix}${name}`)),
  );
}

const firstOf = (paths: readonly (string | null)[]): string | null =>
  paths.find((path) => path !== null) ?? null;

/** A `run.json`. */
export const recordShape: Shape = {
  fields: {
    name: 'string',
    status: 'string',
    config: {
      fields: {
        task: 'string',
        preset: 'string',
        engine: 'string',
        optimizers: { list: 'string' },
        seed: 'number',
        schedule: 'string',
        epochs: 'number',
      },
    },
    taskConfig: 'object',
    optimizers: 'object',
    dataLine: 'string',
    data: 'object',
    baselines: {
      optional: { list: { fields: { name: 'string', validationLoss: 'number', testLoss: 'number' } } },
    },
    network: { fields: { parameters: 'number' } },
    versions: 'object',
    threads: { optional: 'number' },
    hardware: 'object',
    commit: { optional: 'string' },
    startedAt: 'string',
    peakMemoryMiB: { optional: 'number' },
  },
};

/** Lines of a `metrics.jsonl`, by kind. */
export const lineShapes: Readonly<Record<string, Shape>> = {
  step: {
    fields: {
      optimizer: 'string',
      epoch: 'number',
      step: 'number',
      loss: 'number',
      effectiveLearningRate: 'number',
      norm: { optional: 'number' },
      stepMs: 'number',
      optimizerMs: { optional: 'number' },
    },
  },
  epoch: {
    fields: {
      optimizer: 'string',
      epoch: 'number',
      trainLoss: 'number',
      validationLoss: 'number',
      validationAccuracy: { optional: 'number' },
      metrics: { optional: 'object' },
    },
  },
  final: { fields: { optimizer: 'string', testLoss: 'number', testAccuracy: { optional: 'number' } } },
  failure: { fields: { optimizer: 'string', step: 'number', reason: 'string' } },
};

/** A `step.json`. */
export const stepShape: Shape = {
  fields: {
    rounds: 'number',
    results: {
      list: {
        fields: { tensors: 'number', elements: 'number', name: 'string', ms: 'number', ratio: 'number' },
      },
    },
  },
};

/** A `diagnostics.json`. */
export const diagnosticsShape: Shape = {
  fields: {
    seeds: { list: 'number' },
    learningRates: { list: 'number' },
    problems: { list: { fields: { name: 'string', asks: 'string' } } },
    cells: { list: { fields: { problem: 'string', optimizer: 'string', passedRates: 'number' } } },
  },
};

/** A `*-tuning.json`. */
export const tuningShape: Shape = {
  fields: {
    task: 'string',
    preset: 'string',
    epochs: 'number',
    note: 'string',
    rows: {
      list: {
        fields: { data: 'string', optimizer: 'string', learningRate: 'positive', validationLoss: 'object' },
      },
    },
  },
};
