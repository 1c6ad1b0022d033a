import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VRAdam } from '../../src/index.ts';
import { expectSameOnCpu, noise, random, runKernel, seed, size } from './harness.ts';

type Shape4 = [number, number, number, number];

const convolution = fc.record({
  input: fc.tuple(size(3), size(9), size(9), size(5)),
  filter: fc.tuple(size(4), size(4)),
  multiplier: size(3),
  strides: fc.tuple(size(3), size(3)),
  pad: fc.constantFrom('same' as const, 'valid' as const, 1, 2),
  seed,
});

it('gradients of a depthwise convolution equal the cpu backend for any shape, stride and padding', async () => {
  await fc.assert(
    fc.asyncProperty(convolution, async ({ input, filter, multiplier, ...conv }) => {
      const filterShape: Shape4 = [...filter, input[3], multiplier];
      const { strides, pad } = conv;
      const dilations: [number, number] = [1, 1];
      const info = tf.backend_util.computeConv2DInfo(
        input,
        filterShape,
        strides,
        dilations,
        pad,
        undefined,
        true,
      );
      fc.pre(info.outHeight > 0 && info.outWidth > 0);
      const attrs = { strides, dilations, pad };
      await expectSameOnCpu(() => {
        const next = noise(conv.seed);
        const [x, dy, weights] = [
          random(next, input),
          random(next, info.outShape),
          random(next, filterShape),
        ];
        return [
          runKernel('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { ...attrs, filterShape }),
          runKernel(
            'DepthwiseConv2dNativeBackpropInput',
            { dy, filter: weights },
            { ...attrs, inputShape: input },
          ),
        ];
      });
    }),
    { numRuns: 150 },
  );
});

it('a separable convolution can be trained on wasm, and goes as on cpu', async () => {
  const run = async (backend: string): Promise<number[]> => {
    await tf.setBackend(backend);
    const model = layers.sequential();
    const glorot = (seed: number) => layers.initializers.glorotUniform({ seed });
    model.add(
      layers.layers.separableConv2d({
        filters: 4,
        kernelSize: 3,
        strides: 2,
        inputShape: [8, 8, 3],
        depthMultiplier: 2,
        depthwiseInitializer: glorot(1),
        pointwiseInitializer: glorot(2),
      }),
    );
    model.add(layers.layers.flatten());
    model.add(layers.layers.dense({ units: 1, kernelInitializer: glorot(3) }));
    const optimizer = new VRAdam({ learningRate: 0.01 });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const [x, y] = [random(noise(4), [8, 8, 8, 3]), random(noise(5), [8, 1])];
    const { history } = await model.fit(x, y, { epochs: 6, verbose: 0, shuffle: false });
    tf.dispose([x, y]);
    optimizer.dispose();
    model.dispose();
    return history['loss'] as number[];
  };
  const [cpu, wasm] = [await run('cpu'), await run('wasm')];
  expect(cpu.at(-1)).toBeLessThan(cpu[0] as number);
  wasm.forEach((loss, i) => {
    expect(Math.abs(loss / (cpu[i] as number) - 1)).toBeLessThan(1e-5);
  });
});
