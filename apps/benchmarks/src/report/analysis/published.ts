/** What arXiv 2505.13196 published of the tasks. */

/** A row of a table: losses; NaN where the paper prints NaN. */
export interface PublishedRow {
  readonly optimizer: string;
  readonly validationLoss: number;
  readonly testLoss: number;
  /** Both as they are printed. */
  readonly printed: { readonly validationLoss: string; readonly testLoss: string };
}

/** A table of the paper. */
export interface PublishedTable {
  /** Its name. */
  readonly table: string;
  /** Its figures of the same runs. */
  readonly figures?: string;
  /** What its losses are. */
  readonly loss: string;
  /** In the order of the paper. */
  readonly rows: readonly PublishedRow[];
}

const row = (optimizer: string, validationLoss: string, testLoss: string): PublishedRow => ({
  optimizer,
  validationLoss: Number(validationLoss),
  testLoss: Number(testLoss),
  printed: { validationLoss, testLoss },
});

/** By task. The paper calls AdamW what its code runs as Adam with the decay in the gradient. */
export const published: Readonly<Record<string, PublishedTable>> = {
  'cifar10-cnn': {
    table: 'Table 1',
    figures: 'Figures 8 to 11',
    loss: 'cross-entropy',
    rows: [
      row('vradam', '0.476', '0.469'),
      row('adamw', '0.522', '0.565'),
      row('sgd-nesterov', '0.625', '0.620'),
      row('rmsprop', '0.801', '0.813'),
    ],
  },
  'language-model': {
    table: 'Table 2',
    figures: 'Figures 4 to 7',
    loss: 'cross-entropy, nats a token',
    rows: [
      row('vradam', '5.99', '6.00'),
      row('adamw', '6.47', '6.50'),
      row('sgd-nesterov', 'NaN', 'NaN'),
      row('rmsprop', 'NaN', 'NaN'),
    ],
  },
  gflownet: {
    table: 'Table 3',
    loss: 'flow loss',
    rows: [
      row('vradam', '1.25', '1.33'),
      row('adamw', '2.41', '3.6'),
      row('sgd-nesterov', '2.71', '2.61'),
      row('rmsprop', '25.0', '25.0'),
    ],
  },
  diffusion: {
    table: 'Table 13',
    figures: 'Figures 12 and 13',
    loss: 'mean squared error of the noise',
    rows: [
      row('vradam', '0.0360', '0.0360'),
      row('adamw', '0.0354', '0.0354'),
      row('sgd-nesterov', '0.056', '0.054'),
      row('rmsprop', '0.0363', '0.0350'),
    ],
  },
};
