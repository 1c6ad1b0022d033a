/**
 * WebGL passes the published suite within the float32 limits that hold everywhere: measured in SwiftShader, no
 * limit of its own is needed. Every step waits for the GPU several times, so that this takes fewer random problems and
 * the first steps of each trajectory; Node replays them whole through the same operations.
 */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import { type TestHooks, testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { tfjsBackend } from '../../conformance.mjs';
import { firstSteps } from './golden.ts';

// tfjs computes small tensors on the CPU unless told not to: it is the shaders that are tested here
tf.env().set('WEBGL_CPU_FORWARD', false);

/** tfjs's shader divides equal numbers to 1, so that 0 / 0 is 1; the claim fails there, and only there. */
const division = /x \/ y\[5\] must be NaN, bit for bit\. Received: 1\./;
const hooks: TestHooks = {
  describe,
  it: (name, body) =>
    name.startsWith('NaN and infinities')
      ? it(`${name}, but for 0 / 0`, () => expect(body()).rejects.toThrow(division))
      : it(name, body),
};

const webgl = tfjsBackend('webgl');
testTensorOps(hooks, webgl);
testOptimizer(hooks, webgl, 1);
testGolden(hooks, webgl, firstSteps(3));
