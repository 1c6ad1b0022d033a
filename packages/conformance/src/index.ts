export type { ConformanceBackend } from './backend.ts';
export {
  type Check,
  type CheckResult,
  expectClose,
  expectError,
  expectSame,
  runChecks,
  type TestHooks,
} from './check.ts';
export { optimizerChecks, specs } from './checks/optimizer.ts';
export { tensorOpsChecks } from './checks/tensorOps.ts';
export { coreBackends } from './coreBackends.ts';
export {
  type Deviations,
  type ReplayOptions,
  type ReplayResult,
  replay,
  replaySchedule,
} from './golden/replay.ts';
export {
  type PerParameter,
  parameterName,
  parseSchedule,
  parseTrajectory,
  type ScheduleCase,
  specOf,
  type Trajectory,
  type TrajectoryGroup,
  type TrajectoryStep,
  type TrajectoryTensor,
} from './golden/trajectory.ts';
export { goldenChecks, testGolden, testOptimizer, testTensorOps } from './suite.ts';
export { defaultTolerance, type Excuse, excusesFor, type Quantity, type Tolerance } from './tolerance.ts';
export { createTrackedOps, type Handle, type TrackedOps } from './trackedOps.ts';
export { backPropagate } from './train/hostProblem.ts';
export {
  type NamedArray,
  parseTrainFile,
  type TrainFile,
  type TrainModel,
  type TrainProblem,
  type TrainRun,
} from './train/model.ts';
export { replayTraining, type TrainResult } from './train/replayTraining.ts';
