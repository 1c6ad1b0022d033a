/** The golden files, bundled: a browser has no folder to read. */

/// <reference types="vite/types/importMeta.d.ts" />

const files = import.meta.glob<Record<string, unknown>>('../../../conformance/golden/*.json', {
  eager: true,
  import: 'default',
});

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Parsed JSON of all golden files, by name. */
export const golden: Readonly<Record<string, Record<string, unknown>>> = Object.fromEntries(
  Object.entries(files).map(([path, json]) => [baseName(path), json]),
);

/** The same with no more than the first `count` steps of each trajectory. */
export const firstSteps = (count: number): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(golden).map(([name, json]) => {
      const { steps } = json;
      return [name, Array.isArray(steps) ? { ...json, steps: steps.slice(0, count) } : json];
    }),
  );
