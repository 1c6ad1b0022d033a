import { defineConfig } from 'vitest/config';

export default defineConfig({
  // every file of the repository is read
  test: { include: ['test/*.test.ts'], testTimeout: 60_000 },
});
