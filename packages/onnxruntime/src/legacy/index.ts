export {
  createTrainingArtifacts,
  type TrainedParameter,
  type TrainingArtifacts,
  type TrainingArtifactsOptions,
} from './artifacts.ts';
