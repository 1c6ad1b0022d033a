/** The gradient kernels on the backend with threads, whose memory is shared. */

import { it } from 'vitest';
import { expectSameOnCpu, noise, random, runKernel } from '../gradientKernels/harness.ts';
import './wasmPaths.ts';

it.each([
  [3, 8],
  [5, 10],
])('a convolution of %i to %i channels has the gradients of the cpu backend', async (channels, outputs) => {
  const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC' };
  await expectSameOnCpu(() => {
    const next = noise(21);
    const [x, dy] = [random(next, [4, 12, 12, channels]), random(next, [4, 12, 12, outputs])];
    const filter = random(next, [3, 3, channels, outputs]);
    return [
      runKernel('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape: filter.shape }),
      runKernel('Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape: x.shape }),
    ];
  });
});
