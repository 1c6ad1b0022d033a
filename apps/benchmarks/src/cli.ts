/** `vradam-bench`. */

import { VRAdamError } from '@vradam/core';
import { Command } from 'commander';
import { addDataCommand } from './commands/data.ts';
import { addOnnxruntimeCommand } from './commands/onnxruntime.ts';
import { addRunCommand } from './commands/run.ts';
import { addStepCommand } from './commands/step.ts';
import { addTfjsCommand } from './commands/tfjs.ts';
import { addWebgpuCommand } from './commands/webgpu.ts';

const program = new Command('vradam-bench').description(
  'The benchmark suite of VRAdam: fair races between optimizers.',
);
addRunCommand(program);
addDataCommand(program);
addStepCommand(program);
addOnnxruntimeCommand(program);
addTfjsCommand(program);
addWebgpuCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof VRAdamError ? error.message : error);
  process.exitCode = 1;
}
