import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type ImageSet, syntheticDigits } from '../src/data/index.ts';
import { expectFailure } from './dataFolder.ts';

const pictureBytes = 28 * 28;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const pictures = ({ images, count }: ImageSet): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => images.subarray(i * pictureBytes, (i + 1) * pictureBytes));

describe('written digits', () => {
  test('are the same bytes on every machine', () => {
    const { train, test: judged } = syntheticDigits({ seed: 0, train: 50, test: 20 });
    expect([train.images, train.labels, judged.images].map(sha256)).toEqual([
      '43909f9362b43f11597299d380d54dd919a48ebd0e4aa4d45a01771774852dc5',
      '6ccd8b78b75ba7b558bf1fd1b6493a1b0efcd36179d7023846fec0597d6be348',
      'a8358babe7a11dc837e0cd54a655b1d79172e47cad78c47c5c9f01a286dade05',
    ]);
  });

  test('have shape, classes and counts as promised, every digit once in ten', () => {
    const data = syntheticDigits({ seed: 3, train: 20, test: 7 });
    expect(data).toMatchObject({ synthetic: true, shape: [1, 28, 28], files: [] });
    expect(data.train.images).toHaveLength(20 * pictureBytes);
    expect(data.test.count).toBe(7);
    expect([...data.train.labels.subarray(10, 20)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(data.source).toContain('seed 3');
  });

  test('stay the same when more are asked for, and differ by seed', () => {
    const few = syntheticDigits({ seed: 5, train: 13, test: 0 });
    const many = syntheticDigits({ seed: 5, train: 40, test: 2 });
    expect(many.train.images.subarray(0, 13 * pictureBytes)).toEqual(few.train.images);
    expect(syntheticDigits({ seed: 6, train: 13, test: 0 }).train.images).not.toEqual(few.train.images);
  });

  test('are ink on a third of the paper at most, and rarely reach its edge', () => {
    let atEdge = 0;
    for (const picture of pictures(syntheticDigits({ seed: 1, train: 300, test: 0 }).train)) {
      const inked = picture.filter((value) => value > 0).length / pictureBytes;
      expect(inked).toBeGreaterThan(0.04);
      expect(inked).toBeLessThan(0.37);
      expect(Math.max(...picture)).toBe(255);
      atEdge += Number(Math.max(...picture.subarray(0, 28), ...picture.subarray(-28)) > 0);
    }
    expect(atEdge).toBeLessThan(15);
  });

  test('can be told apart, and vary so much that the mean pictures alone do not tell', () => {
    const { train, test: judged } = syntheticDigits({ seed: 2, train: 600, test: 200 });
    const known = pictures(train);
    const means = Array.from({ length: 10 }, () => new Float64Array(pictureBytes));
    for (const [i, picture] of known.entries()) {
      const mean = means[train.labels[i] as number] as Float64Array;
      for (const [j, value] of picture.entries()) mean[j] = (mean[j] as number) + value / 60;
    }
    const squared = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a, (value, i) => (value - (b[i] as number)) ** 2).reduce((x, y) => x + y);
    const nearest = (picture: Uint8Array, all: ArrayLike<number>[]) => {
      const distances = all.map((other) => squared(picture, other));
      return distances.indexOf(Math.min(...distances));
    };
    const right = (guess: (picture: Uint8Array) => number | undefined) =>
      pictures(judged).filter((picture, i) => guess(picture) === judged.labels[i]).length / judged.count;
    const byMean = right((picture) => nearest(picture, means));
    const byNeighbour = right((picture) => train.labels[nearest(picture, known)]);
    expect(byMean).toBeLessThan(0.93);
    expect(byNeighbour).toBeGreaterThan(0.9);
  });

  test('are refused for a seed or a count that is none', async () => {
    const make = async (options: object) => syntheticDigits({ seed: 0, train: 1, test: 1, ...options });
    await expectFailure(make({ seed: -1 }), 'ERR_OPTION_RANGE', 'seed', '-1');
    await expectFailure(make({ train: 1e9 }), 'ERR_OPTION_RANGE', 'train');
  });
});
