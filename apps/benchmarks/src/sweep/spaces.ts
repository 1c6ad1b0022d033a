/** What the sweeps of the paper choose from, for each task and optimizer: Tables 4 to 12, and the code for GFlowNets. */

import { benchmarkError } from '../errors.ts';
import type { OptimizerName } from '../tasks/task.ts';
import type { Space } from './space.ts';

/** Names of the sets of spaces: the paper's, and narrower ones around what short runs need. */
export const spaceNames = ['quick', 'paper'] as const;

/** One of {@link spaceNames}. */
export type SpaceName = (typeof spaceNames)[number];

const rate = (low: number, high: number): Space[number] => ({
  kind: 'float',
  name: 'learningRate',
  low,
  high,
  log: true,
});

/** Learning rate, strength, norm and cutoff of the brake. */
const braked = (
  rates: Space[number],
  beta3: readonly [number, number],
  lrCutoff: readonly [number, number],
): Space => [
  rates,
  { kind: 'float', name: 'beta3', low: beta3[0], high: beta3[1] },
  { kind: 'boolean', name: 'normGrad' },
  { kind: 'integer', name: 'lrCutoff', low: lrCutoff[0], high: lrCutoff[1] },
];

type Spaces = Readonly<Partial<Record<OptimizerName, Space>>>;

/** Spaces of one task: of VRAdam, and of the others, which have a learning rate alone. */
function spacesOf(vradam: Space, others: Space): Spaces {
  return { vradam, adamw: others, adam: others, 'sgd-nesterov': others, rmsprop: others };
}

const [wide, narrow] = [rate(1e-5, 0.1), rate(1e-4, 0.3)];

const spaces: Readonly<Record<SpaceName, Readonly<Record<string, Spaces>>>> = {
  paper: {
    'cifar10-cnn': spacesOf(braked(rate(1e-4, 0.1), [0.1, 1.5], [3, 30]), [wide]),
    'language-model': spacesOf(braked(wide, [0.1, 5], [5, 30]), [wide]),
    diffusion: spacesOf(braked(wide, [0.1, 2], [5, 30]), [wide]),
    gflownet: {
      ...spacesOf(braked(rate(1e-5, 1e-2), [0.1, 5], [5, 30]), [rate(1e-5, 1e-2)]),
      'sgd-nesterov': [rate(1e-3, 1e-1)],
    },
  },
  // runs of the preset quick are short, and want larger rates
  quick: {
    'cifar10-cnn': spacesOf(braked(narrow, [0.1, 1.5], [3, 30]), [narrow]),
    'language-model': spacesOf(braked(narrow, [0.1, 5], [5, 30]), [narrow]),
    diffusion: spacesOf(braked(narrow, [0.1, 2], [5, 30]), [narrow]),
    gflownet: spacesOf(braked(narrow, [0.1, 5], [5, 30]), [narrow]),
  },
};

/**
 * The space of an optimizer in a task.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` where there is none.
 */
export function spaceOf(name: SpaceName, task: string, optimizer: OptimizerName): Space {
  const own = spaces[name][task];
  const space = own?.[optimizer];
  if (space) return space;
  throw benchmarkError('ERR_UNSUPPORTED', {
    wrong: own ? `there is no space to sweep ${optimizer} in` : `there is no space for the task ${task}`,
    received: own ? optimizer : task,
    action: `Choose from ${Object.keys(own ?? spaces[name]).join(', ')}.`,
  });
}
