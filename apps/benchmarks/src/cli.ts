/** `vradam-bench`. */

import { VRAdamError } from '@vradam/core';
import { Command } from 'commander';
import { addBenchCommand } from './commands/bench.ts';
import { addCompareCommand } from './commands/compare.ts';
import { addDataCommand } from './commands/data.ts';
import { addDiagnosticsCommand } from './commands/diagnostics.ts';
import { addEnginesCommand } from './commands/engines.ts';
import { addListCommand } from './commands/list.ts';
import { addOnnxruntimeCommand } from './commands/onnxruntime.ts';
import { addOverheadCommand } from './commands/overhead.ts';
import { addPhasePortraitCommand } from './commands/phasePortrait.ts';
import { addReportCommand } from './commands/report.ts';
import { addRunCommand } from './commands/run.ts';
import { addSamplersCommand } from './commands/samplers.ts';
import { addSharpnessCommand } from './commands/sharpness.ts';
import { addStepCommand } from './commands/step.ts';
import { addSweepCommand } from './commands/sweep.ts';
import { addSweepReportCommand } from './commands/sweepReport.ts';
import { addTfjsCommand } from './commands/tfjs.ts';
import { addTuneCommand } from './commands/tune.ts';
import { addWebgpuCommand } from './commands/webgpu.ts';
import { addWorkerCommand } from './commands/worker.ts';

/** What was asked for cannot be done, in the words of the message before. */
const refused = 2;

const program = new Command('vradam-bench')
  .description('The benchmark suite of VRAdam: fair races between optimizers.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : refused));
addRunCommand(program);
addBenchCommand(program);
addListCommand(program);
addEnginesCommand(program);
addReportCommand(program);
addCompareCommand(program);
addDataCommand(program);
addDiagnosticsCommand(program);
addTuneCommand(program);
addPhasePortraitCommand(program);
addSharpnessCommand(program);
addSamplersCommand(program);
addSweepCommand(program);
addSweepReportCommand(program);
addWorkerCommand(program);
addStepCommand(program);
addOverheadCommand(program);
addOnnxruntimeCommand(program);
addTfjsCommand(program);
addWebgpuCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  const isOurs = error instanceof VRAdamError;
  console.error(isOurs ? error.message : error);
  process.exitCode = isOurs ? refused : 1;
}
