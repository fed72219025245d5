import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: [],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: most tests wait for real processes, so a few files side by side pay off.
    maxWorkers: 4,
  },
})
