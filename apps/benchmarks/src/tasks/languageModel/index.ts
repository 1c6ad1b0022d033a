/** WikiText-2 with an encoder-decoder transformer: Table 2 and Figures 4-7 of the paper. */

import { loadText, type TextDataset } from '../../data/index.ts';
import type { Evaluation } from '../../engines/engine.ts';
import { benchmarkError } from '../../errors.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { adamwOptions, type Rivals, taskOptimizers } from '../optimizers.ts';
import { streams } from '../streams.ts';
import type { Baseline, Problem, Score, Task, TaskOptions } from '../task.ts';
import { neverZeroGradients } from './accumulateBug.ts';
import { batches, cutSequences, type Sequences } from './batches.ts';
import { languageModelNetwork } from './model.ts';
import { type LanguageModelPreset, presets } from './presets.ts';
import { openTokenizer } from './tokenizerFile.ts';
import { unigramLoss } from './unigram.ts';
import { type Tokenizer, wordTokenizer } from './vocabulary.ts';

const rivals: Rivals = {
  adamw: adamwOptions,
  'sgd-nesterov': { momentum: 0.9, nesterov: true, weightDecay: 0 },
  rmsprop: { alpha: 0.1, momentum: 0.2, epsilon: 1e-8, weightDecay: 0 },
};

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

/** What a model reaches that knows how frequent each token is, and nothing else. */
function unigram(splits: Splits, { size, padding }: Tokenizer): Baseline {
  const loss = (part: 'validation' | 'test') =>
    unigramLoss(splits.train.tokens, batches(splits[part], 100), size, padding);
  return { name: 'unigram', validationLoss: loss('validation'), testLoss: loss('test') };
}

/** What it is about, for people and for the record. */
function describe(
  { name, source, files }: TextDataset,
  { description }: Tokenizer,
  splits: Splits,
): Pick<Problem, 'dataLine' | 'data'> {
  const counts = Object.fromEntries(Object.entries(splits).map(([part, { count }]) => [part, count]));
  const { count, length } = splits.train;
  return {
    dataLine: `${source}; ${description}; ${count} sequences of ${length + 1} tokens to learn from`,
    data: { name, source, counts, files, tokenizer: description },
  };
}

async function prepare(options: TaskOptions): Promise<Problem> {
  const { seed, schedule, masking, accumulateBug, tokenizer: file } = options;
  const preset = presets[options.preset];
  const { batchSize, evaluationBatchSize, vocabularyLimit } = preset;
  const text = await loadText(options.data);
  const tokenizer = file === undefined ? wordTokenizer(text, vocabularyLimit) : await openTokenizer(file);
  const { size: vocabulary, padding } = tokenizer;
  const splits = cutAll(text, tokenizer, preset);
  const epochs = options.epochs ?? preset.epochs;
  const stepsPerEpoch = Math.ceil(splits.train.count / batchSize);
  const optimizer = taskOptimizers(preset, rivals, stepsPerEpoch, { schedule, epochs });

  return {
    ...describe(text, tokenizer, splits),
    network: languageModelNetwork({ ...preset, vocabulary }, masking, padding),
    config: { ...preset, vocabulary, epochs, schedule, masking, accumulateBug, stepsPerEpoch },
    baselines: [unigram(splits, tokenizer)],
    perplexity: true,
    epochs,
    stepsPerEpoch,
    trainBatches: (epoch) => batches(splits.train, batchSize, openRandom(seed, streams.training(epoch))),
    validationBatches: () => batches(splits.validation, evaluationBatchSize),
    testBatches: () => batches(splits.test, evaluationBatchSize),
    score: scorer(padding),
    optimizer(...args) {
      const plain = optimizer(...args);
      return accumulateBug ? { ...plain, spec: neverZeroGradients(plain.spec) } : plain;
    },
  };
}

/** The task. */
export const languageModel: Task = {
  name: 'language-model',
  title: 'WikiText-2, an encoder-decoder transformer that tells the next word (Table 2)',
  schedule: 'warmup-cosine',
  ownOptions: ['masking', 'accumulateBug', 'tokenizer'],
  prepare,
};
