// The vitest configuration of every workspace's tests in Node.
import { defineConfig } from 'vitest/config';

export const nodeConfig = defineConfig({
  // a busy machine may need seconds to start a process
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/browser/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
