/** A check is a claim and a function that throws if it does not hold; where it runs is the caller's affair. */

import { VRAdamError } from '@vradam/core';

/** One claim about a backend. */
export interface Check {
  /** The claim, as a sentence. */
  readonly name: string;
  /**
   * Throws if it does not hold.
   *
   * @returns why nothing could be compared on this backend; undefined if the claim was checked.
   */
  run(): Promise<string | undefined>;
}

/** Outcome of a check. */
export interface CheckResult {
  /** The claim. */
  readonly name: string;
  /** What is wrong; undefined if nothing. */
  readonly error?: unknown;
  /** Why it was skipped; undefined if it was not. */
  readonly skipped?: string | undefined;
}

/** The two functions of a test runner that the suite needs; vitest, jest and `node:test` have them. */
export interface TestHooks {
  /** Opens a group of tests. */
  describe(name: string, body: () => void): void;
  /** Declares a test; the context it is called with may be able to skip. */
  it(name: string, body: (context?: { skip?(reason: string): void }) => Promise<void>): void;
}

/** Declares checks in a test runner. */
export function declare(hooks: TestHooks, title: string, checks: readonly Check[]): void {
  hooks.describe(title, () => {
    for (const { name, run } of checks) {
      hooks.it(name, async (context) => {
        const reason = await run();
        if (reason !== undefined) context?.skip?.(reason);
      });
    }
  });
}

/** Runs checks without a test runner, one after another. */
export async function runChecks(checks: readonly Check[]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { name, run } of checks) {
    try {
      results.push({ name, skipped: await run() });
    } catch (error) {
      results.push({ name, error });
    }
  }
  return results;
}

/** Throws `ERR_CONFORMANCE`. */
export function violated(message: string): never {
  throw new VRAdamError('ERR_CONFORMANCE', `[@vradam/conformance] ${message}`);
}

/** Two lists of numbers are equal bit for bit (but for the payload of NaN). */
export function expectSame(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (actual.length !== expected.length) {
    violated(`${what} must have ${expected.length} elements. Received: ${actual.length}.`);
  }
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i])) {
      violated(`${what}[${i}] must be ${expected[i]}, bit for bit. Received: ${actual[i]}.`);
    }
  }
}

/**
 * Two lists of numbers agree; NaN and infinities agree with themselves.
 *
 * @param tolerance - relative to the largest expected number.
 * @param floor - least magnitude that the tolerance is relative to: what is left when larger numbers cancel still
 *   carries their rounding. Default 0.
 */
export function expectClose(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  floor = 0,
): void {
  if (actual.length !== expected.length) {
    violated(`${what} must have ${expected.length} elements. Received: ${actual.length}.`);
  }
  const finite = Array.from(expected).filter(Number.isFinite).map(Math.abs);
  const limit = tolerance * finite.reduce((a, b) => Math.max(a, b), floor);
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (Object.is(a, e) || Math.abs(a - e) <= limit) continue;
    violated(`${what}[${i}] must be ${e} within ${limit.toExponential(1)}. Received: ${a}.`);
  }
}

/** A promise-returning or plain function throws a `VRAdamError` of this code. */
export async function expectError(what: string, code: string, run: () => unknown): Promise<VRAdamError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof VRAdamError && error.code === code) return error;
    violated(`${what} must throw ${code}. It threw: ${error}.`);
  }
  return violated(`${what} must throw ${code}. It did not throw.`);
}
