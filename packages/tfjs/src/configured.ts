/** An optimizer made of plain options, which a saved model can hold. */

import type * as tf from '@tensorflow/tfjs-core';
import {
  type CommonOptions,
  maskWeightDecay,
  type NameMatch,
  type OptimizerOptions,
  type OptimizerSpec,
} from '@vradam/core';
import { fail } from './errors.ts';
import type { Fusion } from './fusions.ts';
import type { PathOptions } from './ops.ts';
import { TfjsOptimizer } from './optimizer.ts';
import { type TransformEntry, transformed, transformName, transformOf } from './transforms.ts';

/** Options of every class beside those of its algorithm. */
export interface TransformOptions extends PathOptions {
  /** Variables without weight decay, by name; true stands for biases and normalization. Default: none. */
  readonly maskWeightDecay?: NameMatch | true;
  /**
   * `clipByGlobalNorm`, `accumulateGradients` and `averageWeights` with their options, the first innermost. They are
   * imported, so that a bundle has only those that are used. Default: none.
   */
  readonly transforms?: readonly TransformEntry[];
}

/** What a class is constructed with. */
export type TfjsOptions<O> = OptimizerOptions<O> & TransformOptions;

/** An algorithm of the core: options in, what it does out. */
export type Factory<O> = (options: OptimizerOptions<O>) => OptimizerSpec;

function compose<O extends CommonOptions>(factory: Factory<O>, options: TfjsOptions<O>): OptimizerSpec {
  if (Object(options) !== options) return factory(options); // refuses it
  const { fused, maskWeightDecay: mask, transforms = [], ...own } = options;
  const spec = factory(own as OptimizerOptions<O>);
  const masked = mask === undefined ? spec : maskWeightDecay(spec, mask === true ? undefined : mask);
  return transformed(masked, transforms);
}

/** What JSON has no notation for. */
interface Encoded {
  readonly source?: string;
  readonly flags?: string;
  readonly transform?: string;
}

function encodeValue(key: string, value: unknown): unknown {
  if (value instanceof RegExp) return { source: value.source, flags: value.flags };
  if (typeof value !== 'function') return value;
  const transform = transformName(value);
  if (transform !== undefined) return { transform };
  return fail(
    'ERR_UNSUPPORTED',
    `${key} is a function, which a saved model cannot hold. Use names or a RegExp, or save the optimizer by ` +
      'exportState.',
  );
}

function decodeValue(_: string, value: unknown): unknown {
  const { source, flags, transform } = Object(value) as Encoded;
  if (typeof source === 'string') return new RegExp(source, flags);
  if (typeof transform === 'string') return transformOf(transform);
  return value ?? Number.POSITIVE_INFINITY;
}

/** Base of the classes: options in, options out. */
export abstract class ConfiguredOptimizer<O extends CommonOptions> extends TfjsOptimizer {
  readonly #options: TfjsOptions<O>;

  /**
   * @param factory - the core's algorithm.
   * @param fusion - what is fused on wasm: at least that algorithm.
   * @param options - hyper-parameters, groups, and {@link TransformOptions}.
   * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
   */
  constructor(factory: Factory<O>, fusion: Fusion, options: TfjsOptions<O> = {} as TfjsOptions<O>) {
    super(compose(factory, options), fusion, options);
    this.#options = options;
  }

  /**
   * Makes an optimizer of class `cls` from a {@link ConfiguredOptimizer.getConfig}. tfjs calls this detached and with
   * keys of its own added: what is not an option is left out.
   */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const picked = Object.keys(new cls().getConfig())
      .filter((key) => config[key] !== undefined)
      .map((key) => [key, config[key] ?? Number.POSITIVE_INFINITY]);
    const { encoded = [] } = config as { encoded?: number[] };
    const others = encoded.length > 0 && JSON.parse(String.fromCodePoint(...encoded), decodeValue);
    return new cls({ ...Object.fromEntries(picked), ...others });
  }

  /**
   * The options as plain JSON. Learning rates are the current ones, of a schedule too: set a schedule again after
   * loading. An infinite number is null. All but hyper-parameters is under `encoded`, as numbers: tfjs changes the
   * spelling of every text in a saved configuration.
   *
   * @throws VRAdamError `ERR_UNSUPPORTED` if an option is a function.
   */
  override getConfig(): tf.serialization.ConfigDict {
    const { options } = this.spec.groups.at(-1) as OptimizerSpec['groups'][number];
    const own = JSON.parse(JSON.stringify({ ...options, learningRate: this.learningRate }));
    const others = Object.entries(this.#options).filter(([key]) => !Object.hasOwn(options, key));
    const groups = this.#options.groups?.map((group, i) =>
      group.learningRate === undefined
        ? group
        : { ...group, learningRate: this.learningRateOf(group.name ?? `group${i}`) },
    );
    const text = JSON.stringify({ ...Object.fromEntries(others), groups }, encodeValue);
    return {
      ...own,
      ...(text !== '{}' && { encoded: [...text].map((letter) => letter.codePointAt(0)) }),
    } as tf.serialization.ConfigDict;
  }
}
