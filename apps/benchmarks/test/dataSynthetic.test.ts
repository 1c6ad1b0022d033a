import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type ImageSet, syntheticImages } from '../src/data/index.ts';
import { expectFailure } from './dataFolder.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const pictureBytes = 3 * 32 * 32;
const picture = ({ images }: ImageSet, i: number) =>
  images.subarray(i * pictureBytes, (i + 1) * pictureBytes);

describe('generated pictures', () => {
  test('are the same bytes on every machine', () => {
    const { train, test } = syntheticImages({ seed: 0, train: 50, test: 20 });
    expect([train.images, train.labels, test.images, test.labels].map(sha256)).toEqual([
      '679df9cf24afbb99f98427de7dc5d2d508dcb9acd777dfa887ba3f212698b8ce',
      '6ccd8b78b75ba7b558bf1fd1b6493a1b0efcd36179d7023846fec0597d6be348',
      '69f5aa561de5beed5366eb0f4b98c8888f77a4977df04851778c33fb847d0821',
      'ffe3a56791487f03762c796b554b7d1da3b1a49f83a5c411644d792faaf8416f',
    ]);
  });

  test('have shape, classes and counts as promised', () => {
    const data = syntheticImages({ seed: 3, train: 25, test: 7 });
    expect(data).toMatchObject({ name: 'synthetic', synthetic: true, shape: [3, 32, 32], files: [] });
    expect(new Set(data.classes).size).toBe(10);
    expect(data.train.images).toHaveLength(25 * pictureBytes);
    expect(data.test.labels).toHaveLength(7);
    expect(data.source).toContain('seed 3');
  });

  test('differ by seed, and between training and test', () => {
    const [one, other] = [1, 2].map((seed) => syntheticImages({ seed, train: 20, test: 20 }));
    expect(one?.train.images).not.toEqual(other?.train.images);
    expect(one?.train.labels).not.toEqual(other?.train.labels);
    expect(one?.train.images).not.toEqual(one?.test.images);
  });

  test('stay the same when more are asked for', () => {
    const few = syntheticImages({ seed: 5, train: 13, test: 4 });
    const many = syntheticImages({ seed: 5, train: 40, test: 21 });
    expect(many.train.images.subarray(0, 13 * pictureBytes)).toEqual(few.train.images);
    expect(many.train.labels.subarray(0, 13)).toEqual(few.train.labels);
    expect(many.test.images.subarray(0, 4 * pictureBytes)).toEqual(few.test.images);
  });

  test('are balanced: each ten in a row hold every class once', () => {
    const { labels } = syntheticImages({ seed: 8, train: 200, test: 0 }).train;
    for (let i = 0; i < 200; i += 10) {
      expect([...labels.subarray(i, i + 10)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    expect(labels.subarray(0, 10)).not.toEqual(labels.subarray(10, 20));
  });

  test('are refused for a seed or a count that is none', async () => {
    const make = async (options: object) => syntheticImages({ seed: 0, train: 1, test: 1, ...options });
    await expectFailure(make({ seed: 0.5 }), 'ERR_OPTION_RANGE', 'seed', '0.5');
    await expectFailure(make({ seed: 2 ** 32 }), 'ERR_OPTION_RANGE', 'seed');
    await expectFailure(make({ train: -1 }), 'ERR_OPTION_RANGE', 'train');
    await expectFailure(make({ test: 1e9 }), 'ERR_OPTION_RANGE', 'test');
  });
});

describe('the task is hard enough', () => {
  const { train, test: judged } = syntheticImages({ seed: 0, train: 2_000, test: 500 });

  test('a nearest-class-mean classifier names less than a quarter', () => {
    const means = classMeans(train);
    const guess = (pixels: Uint8Array) => indexOfMin(means.map((mean) => squaredDistance(pixels, mean)));
    expect(accuracy(judged, guess)).toBeLessThan(0.25);
  });

  test('mean colours do not give the class away', () => {
    const colour = (pixels: Uint8Array) =>
      [0, 1, 2].map((c) => average(pixels.subarray(c * 1024, (c + 1) * 1024)));
    const means = classMeans(train).map((mean) =>
      [0, 1, 2].map((c) => average(mean.subarray(c * 1024, (c + 1) * 1024))),
    );
    const guess = (pixels: Uint8Array) =>
      indexOfMin(means.map((mean) => squaredDistance(colour(pixels), mean)));
    expect(accuracy(judged, guess)).toBeLessThan(0.18);
  });
});

function classMeans({ images, labels, count }: ImageSet): Float64Array[] {
  const means = Array.from({ length: 10 }, () => new Float64Array(pictureBytes));
  for (let i = 0; i < images.length; i++) {
    const mean = means[labels[Math.floor(i / pictureBytes)] as number] as Float64Array;
    mean[i % pictureBytes] = (mean[i % pictureBytes] as number) + (10 * (images[i] as number)) / count;
  }
  return means;
}

function accuracy(set: ImageSet, guess: (pixels: Uint8Array) => number): number {
  let right = 0;
  for (let i = 0; i < set.count; i++) right += Number(guess(picture(set, i)) === set.labels[i]);
  return right / set.count;
}

function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum;
}

const average = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, x) => sum + x, 0) / values.length;
const indexOfMin = (values: number[]) => values.indexOf(Math.min(...values));
