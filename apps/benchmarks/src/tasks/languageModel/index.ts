/** WikiText-2 with an encoder-decoder transformer: Table 2 and Figures 4-7 of the paper. */

import { adamw, type OptimizerSpec, rmsprop, type Schedule, sgd, vradam } from '@vradam/core';
import { loadText, type TextDataset } from '../../data/index.ts';
import type { Evaluation } from '../../engines/engine.ts';
import { benchmarkError } from '../../errors.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { scheduleOf } from '../schedule.ts';
import { streams } from '../streams.ts';
import type { OptimizerName, Problem, Score, Task, TaskOptimizer, TaskOptions } from '../task.ts';
import { neverZeroGradients } from './accumulateBug.ts';
import { batches, cutSequences, type Sequences } from './batches.ts';
import { languageModelNetwork } from './model.ts';
import { type LanguageModelPreset, presets } from './presets.ts';
import { openTokenizer } from './tokenizerFile.ts';
import { unigramLoss } from './unigram.ts';
import { type Tokenizer, wordTokenizer } from './vocabulary.ts';

/** Fixed hyper-parameters of the baselines; see the reproduction notes for paper against code. */
const baselines = {
  adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-5 },
  'sgd-nesterov': { momentum: 0.9, nesterov: true, weightDecay: 0 },
  rmsprop: { alpha: 0.1, momentum: 0.2, epsilon: 1e-8, weightDecay: 0 },
} as const;

const vradamFixed = { beta1: 0.9, beta2: 0.999, power: 2, epsilon: 1e-8, weightDecay: 1e-5 } as const;

function specOf(
  name: OptimizerName,
  preset: LanguageModelPreset,
  learningRate: Schedule,
): [object, OptimizerSpec] {
  switch (name) {
    case 'vradam': {
      const options = { ...preset.vradam, ...vradamFixed };
      return [options, vradam({ ...options, learningRate })];
    }
    case 'adamw':
      return [baselines.adamw, adamw({ ...baselines.adamw, learningRate })];
    case 'sgd-nesterov':
      return [baselines['sgd-nesterov'], sgd({ ...baselines['sgd-nesterov'], learningRate })];
    case 'rmsprop':
      return [baselines.rmsprop, rmsprop({ ...baselines.rmsprop, learningRate })];
    default:
      return name satisfies never;
  }
}

/** Sum of losses and number of tokens that were told right, padding left out. */
function scorer(padding: number | null): Problem['score'] {
  return ({ labels }: Batch, { losses, outputs }: Evaluation): Score => {
    const likeliest = outputs['likeliest']?.data;
    let [count, loss, correct] = [0, 0, 0];
    for (const [i, label] of (labels?.data ?? []).entries()) {
      if (label === padding) continue;
      count++;
      loss += losses[i] as number;
      if (likeliest?.[i] === label) correct++;
    }
    return { count, loss, correct };
  };
}

/** The three parts of the text as sequences. */
interface Splits {
  readonly train: Sequences;
  readonly validation: Sequences;
  readonly test: Sequences;
}

function cutAll(text: TextDataset, tokenizer: Tokenizer, preset: LanguageModelPreset): Splits {
  const { length, trainSequences, evaluationSequences } = preset;
  const cut = (part: 'train' | 'validation' | 'test', most: number): Sequences => {
    const sequences = cutSequences(tokenizer.encode(text[part]), length, most);
    if (sequences.count > 0) return sequences;
    throw benchmarkError('ERR_FILE_FORMAT', {
      wrong: `the ${part} text must have more than ${length + 1} tokens`,
      received: sequences.tokens.length,
      action: 'Give more text.',
    });
  };
  return {
    train: cut('train', trainSequences),
    validation: cut('validation', evaluationSequences),
    test: cut('test', evaluationSequences),
  };
}

async function prepare(options: TaskOptions): Promise<Problem> {
  const { seed, schedule, masking, accumulateBug } = options;
  const preset = presets[options.preset];
  const text = await loadText(options.data);
  const tokenizer = options.tokenizer
    ? await openTokenizer(options.tokenizer)
    : wordTokenizer(text, preset.vocabularyLimit);
  const { size: vocabulary, padding } = tokenizer;
  const splits = cutAll(text, tokenizer, preset);
  const { batchSize, evaluationBatchSize, warmupEpochs } = preset;
  const evaluated = (part: 'validation' | 'test') => batches(splits[part], evaluationBatchSize);
  const unigram = (part: 'validation' | 'test') =>
    unigramLoss(splits.train.tokens, evaluated(part), vocabulary, padding);
  const counts = Object.fromEntries(Object.entries(splits).map(([part, { count }]) => [part, count]));
  const epochs = options.epochs ?? preset.epochs;
  const stepsPerEpoch = Math.ceil(splits.train.count / batchSize);
  const { name, source, files } = text;

  return {
    network: languageModelNetwork({ ...preset, vocabulary }, masking, padding),
    dataLine: `${source}; ${tokenizer.description}; ${counts['train']} sequences of ${preset.length + 1} tokens to learn from`,
    data: { name, source, counts, files, tokenizer: tokenizer.description },
    config: { ...preset, vocabulary, epochs, schedule, masking, accumulateBug, stepsPerEpoch },
    baselines: [{ name: 'unigram', validationLoss: unigram('validation'), testLoss: unigram('test') }],
    epochs,
    stepsPerEpoch,
    trainBatches: (epoch) => batches(splits.train, batchSize, openRandom(seed, streams.training(epoch))),
    validationBatches: () => evaluated('validation'),
    testBatches: () => evaluated('test'),
    score: scorer(padding),
    optimizer(one, learningRate = preset.learningRates[one]): TaskOptimizer {
      const rate = scheduleOf(schedule, learningRate, { warmupEpochs, epochs, stepsPerEpoch });
      const [own, spec] = specOf(one, preset, rate);
      return {
        learningRate,
        options: { learningRate, ...own },
        spec: accumulateBug ? neverZeroGradients(spec) : spec,
      };
    },
  };
}

/** The task. */
export const languageModel: Task = {
  name: 'language-model',
  title: 'WikiText-2, an encoder-decoder transformer that tells the next word (Table 2)',
  ownOptions: ['masking', 'accumulateBug', 'tokenizer'],
  prepare,
};
