import { benchmarkError } from '../errors.ts';
import { suggestion } from '../names.ts';
import { cifar10Cnn } from './cifar10Cnn/index.ts';
import { diffusion } from './diffusion/index.ts';
import { gflownetTask } from './gflownet/index.ts';
import { languageModel } from './languageModel/index.ts';
import type { Task } from './task.ts';

/** All tasks. */
export const tasks: readonly Task[] = [cifar10Cnn, languageModel, gflownetTask, diffusion];

/** The task of a name. */
export function findTask(name: string): Task {
  const found = tasks.find((task) => task.name === name);
  if (found) return found;
  const names = tasks.map((task) => task.name);
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: `the task must be one of ${names.join(', ')}`,
    received: name,
    action: `${suggestion(name, names)}Choose one of these.`,
  });
}
