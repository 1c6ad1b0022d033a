import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expectSameOnCpu,
  noise,
  on,
  type Result,
  random,
  relativeError,
  runKernel,
  seed,
  size,
} from './harness.ts';

type Shape4 = [number, number, number, number];

const paddings = fc.integer({ min: 0, max: 4 });
const pad = fc.oneof(
  fc.constantFrom('same' as const, 'valid' as const),
  fc.integer({ min: 0, max: 3 }),
  fc.tuple(paddings, paddings, paddings, paddings).map(
    ([top, bottom, left, right]): tf.backend_util.ExplicitPadding => [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
  ),
);
const convolution = fc.record({
  input: fc.tuple(size(3), size(9), size(9), size(5)),
  filter: fc.tuple(size(4), size(4)),
  outChannels: size(9),
  strides: fc.tuple(size(3), size(3)),
  pad,
  seed,
});

/** Shapes of one convolution, or undefined where the filter does not fit the input. */
function shapesOf({
  input,
  filter,
  outChannels,
  strides,
  pad,
}: {
  input: Shape4;
  filter: [number, number];
  outChannels: number;
  strides: [number, number];
  pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
}): { filterShape: Shape4; outShape: number[] } | undefined {
  const filterShape: Shape4 = [...filter, input[3], outChannels];
  const { outShape, outHeight, outWidth } = tf.backend_util.computeConv2DInfo(
    input,
    filterShape,
    strides,
    1,
    pad,
  );
  return outHeight > 0 && outWidth > 0 ? { filterShape, outShape } : undefined;
}

describe('convolution gradients', () => {
  it('equal the cpu backend for any shape, stride and padding', async () => {
    await fc.assert(
      fc.asyncProperty(convolution, async (conv) => {
        const shapes = shapesOf(conv);
        fc.pre(shapes !== undefined);
        const { filterShape, outShape } = shapes;
        const attrs = { strides: conv.strides, pad: conv.pad, dataFormat: 'NHWC' };
        await expectSameOnCpu(() => {
          const next = noise(conv.seed);
          const [x, dy, filter] = [
            random(next, conv.input),
            random(next, outShape),
            random(next, filterShape),
          ];
          return [
            runKernel('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape }),
            runKernel('Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape: conv.input }),
          ];
        });
      }),
      { numRuns: 150 },
    );
  });

  it('stay exact over many pixels, where one float32 sum would drift', async () => {
    await expectSameOnCpu(() => {
      const next = noise(5);
      const [x, dy] = [random(next, [16, 32, 32, 2]), random(next, [16, 32, 32, 2])];
      const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 2, 2] };
      return [runKernel('Conv2DBackpropFilter', { x: tf.add(x, 0.5), dy: tf.add(dy, 0.5) }, attrs)];
    });
  });

  it('for the filter, keep NaN in x to the taps and channels that read it', async () => {
    await expectSameOnCpu(() => {
      const next = noise(9);
      const [x, dy] = [random(next, [1, 5, 5, 4]).dataSync().slice(), random(next, [1, 5, 5, 10])];
      x[(1 * 5 + 1) * 4 + 2] = Number.NaN; // no tap but those of channel 2 reads it
      const attrs = { strides: [2, 2], pad: 'valid', dataFormat: 'NHWC', filterShape: [2, 2, 4, 10] };
      const gradient = tf.slice(dy, [0, 0, 0, 0], [1, 2, 2, 10]);
      return [runKernel('Conv2DBackpropFilter', { x: tf.tensor(x, [1, 5, 5, 4]), dy: gradient }, attrs)];
    });
  });

  it('survive a growth of the wasm memory in the middle of a kernel', async () => {
    const make = (): tf.Tensor[] => {
      const next = noise(6);
      const [x, dy] = [random(next, [1, 40, 40, 256]), random(next, [1, 40, 40, 1])];
      const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 256, 1] };
      return [runKernel('Conv2DBackpropFilter', { x, dy }, attrs)];
    };
    const expected = await on('cpu', make);
    await tf.setBackend('wasm');
    const ballast = fillHeap();
    const before = heapBytes();
    const actual = await on('wasm', make);
    expect(heapBytes()).toBeGreaterThan(before);
    tf.dispose(ballast);
    expect(relativeError(actual[0] as Result, expected[0] as Result, 1)).toBeLessThan(1e-6);
  });

  it("for the filter, refuse 'NCHW', which the backend cannot convolve either", () => {
    const x = tf.zeros([1, 2, 4, 4]);
    const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NCHW', filterShape: [1, 1, 2, 2] };
    expect(() => runKernel('Conv2DBackpropFilter', { x, dy: x }, attrs)).toThrowError(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    x.dispose();
  });

  it("for the input, leave 'NCHW' to the stock kernel", async () => {
    const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NCHW', inputShape: [2, 3, 5, 5] };
    await expectSameOnCpu(() => {
      const next = noise(7);
      const [dy, filter] = [random(next, [2, 4, 5, 5]), random(next, [3, 3, 3, 4])];
      return [runKernel('Conv2DBackpropInput', { dy, filter }, attrs)];
    });
  });

  it('reach through a transposed convolution', async () => {
    await expectSameOnCpu(() => {
      const next = noise(8);
      const [x, filter] = [random(next, [2, 3, 3, 4]), random(next, [3, 3, 2, 4])];
      const loss = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
        tf.conv2dTranspose(a as tf.Tensor4D, b as tf.Tensor4D, [2, 6, 6, 2], 2, 'same');
      return tf.grads(loss)([x, filter], random(next, [2, 6, 6, 2]));
    });
  });
});

function heapBytes(): number {
  return (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength;
}

/** Allocates until the heap has grown once and less than 8 MiB of what it grew by is left. */
function fillHeap(): tf.Tensor[] {
  const block = 1 << 22;
  const ballast: tf.Tensor[] = [];
  const start = heapBytes();
  while (heapBytes() === start) ballast.push(tf.zeros([block / 4]));
  for (let left = heapBytes() - start - block; left > 2 * block; left -= block)
    ballast.push(tf.zeros([block / 4]));
  return ballast;
}
