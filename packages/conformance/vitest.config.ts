import { defineConfig } from 'vitest/config';

export default defineConfig({
  // a busy machine may need seconds to start a process
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/browser/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
