/**
 * WebGPU passes the published suite within the float32 limits that hold everywhere. As on WebGL, fewer random problems
 * and the first steps of each trajectory.
 */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import { testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { tfjsBackend } from '../../conformance.mjs';
import { firstSteps } from './golden.ts';

// tfjs computes small tensors on the CPU unless told not to: it is the shaders that are tested here
tf.env().set('WEBGPU_CPU_FORWARD', false);

it('there is WebGPU', async () => {
  expect(await tf.setBackend('webgpu')).toBe(true);
});

const webgpu = tfjsBackend('webgpu');
testTensorOps({ describe, it }, webgpu);
testOptimizer({ describe, it }, webgpu, 1);
testGolden({ describe, it }, webgpu, firstSteps(3));
