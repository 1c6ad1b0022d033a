/** What a browser downloads, and when. */

import { expect, test } from 'vitest';
import type { Course } from './onDemandWorker.ts';

declare const Worker: new (
  url: URL,
  options: { type: 'module' },
) => {
  onmessage: (message: { data: readonly [Course, Course] }) => void;
  onerror: (error: unknown) => void;
};
declare const URL: new (path: string, base: string) => URL;

const family =
  /operators\/(images|einsum|resize|rearranging|scattering|depthToSpace|dropout|further\w+|\w*ormalization)\.js/;

/** Families of operators among the addresses. */
const familiesIn = ({ loaded }: Course): string[] =>
  loaded.flatMap((address) => family.exec(address)?.[1] ?? []);

test('a network for images loads its operators, and rare ones come with the model that has them', async () => {
  const worker = new Worker(new URL('./onDemandWorker.ts', import.meta.url), { type: 'module' });
  const [first, second] = await new Promise<readonly [Course, Course]>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
  });
  for (const { losses } of [first, second]) expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  expect(familiesIn(first)).toEqual(['images']);
  expect(familiesIn(second).sort()).toEqual(['einsum', 'furtherFunctions', 'images']);
});
