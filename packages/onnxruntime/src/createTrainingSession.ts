/** The way in: a model, a loss and an optimizer become a session. */

import { loadOperators } from '@vradam/onnx-autodiff/lazy';
import { type GraphPlan, operatorsIn } from './graphs.ts';
import { checkOptions, placementOf, type TrainingSessionOptions } from './options.ts';
import { type OrtModule, openRuntime } from './runtime.ts';
import { TrainingSession } from './session.ts';
import { readModel } from './source.ts';
import { HostUpdate } from './update/host.ts';
import type { Update, UpdateContext } from './update/update.ts';

async function openUpdate(
  placement: ReturnType<typeof placementOf>,
  context: UpdateContext,
): Promise<Update> {
  if (placement === 'host') return new HostUpdate(context);
  if (placement === 'graph') return new (await import('./update/graph.ts')).GraphUpdate(context);
  return new (await import('./update/device.ts')).DeviceUpdate(context, placement);
}

/**
 * Opens a model for training.
 *
 * @param ort - your module of onnxruntime: `onnxruntime-node`, `onnxruntime-web`, `onnxruntime-web/webgpu`.
 * @returns a session; `dispose()` it when done.
 * @throws VRAdamError `ERR_OPTION_*`, `ERR_FILE_FORMAT`, `ERR_MODEL_INVALID`, `ERR_OPERATOR_UNSUPPORTED`,
 *   `ERR_PARAMETER_UNKNOWN`, `ERR_UNSUPPORTED`.
 */
export async function createTrainingSession(
  ort: OrtModule,
  options: TrainingSessionOptions,
): Promise<TrainingSession> {
  const runtime = openRuntime(ort, options);
  const model = await readModel(options.model, options.externalData);
  const { trainable, bufferNames, batchNorm, seed, update } = checkOptions(options, model);
  const { loss, optimizer, operators = {} } = options;
  const names = operatorsIn(model);
  const [normalization] = await Promise.all([
    names.includes('BatchNormalization') ? import('@vradam/onnx-autodiff/batchNormalization') : undefined,
    loadOperators(...names),
  ]);
  const plan: GraphPlan = {
    model,
    loss,
    trainable,
    batchNorm,
    operators,
    plainBatchNorm: runtime.isWebGpu,
    normalization,
  };
  const context: UpdateContext = { runtime, plan, spec: optimizer, bufferNames };
  const placement = placementOf(update, runtime, optimizer);
  const made = await openUpdate(placement, context);
  await made.prepare();
  return new TrainingSession({ context, update: made, seed });
}
