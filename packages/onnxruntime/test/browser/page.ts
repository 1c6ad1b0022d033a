/** The parts of a web page that the tests look at. */

/** A worker's class. */
export type WorkerClass = new (...given: unknown[]) => object;

/** What a page has and Node has not, or not always. */
export interface Page {
  readonly crossOriginIsolated?: boolean;
  readonly location?: { readonly origin: string };
  readonly navigator?: { readonly gpu?: { requestAdapter(): Promise<object | null> } };
  Worker?: WorkerClass;
}

/** The page. */
export const page: Page = globalThis as Page;

/** Addresses of everything that was loaded, but for what the tests put into an address themselves. */
export function loadedFrom(): string[] {
  const entries = performance.getEntriesByType('resource').map(({ name }) => name);
  return entries.filter((name) => !/^(data|blob):/.test(name));
}

declare const performance: { getEntriesByType(type: string): readonly { readonly name: string }[] };
