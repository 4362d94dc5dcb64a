import { defineConfig } from 'vitest/config';

const limits = { testTimeout: 60_000, hookTimeout: 120_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], ...limits } },
      {
        test: {
          name: 'real-parts',
          include: ['test/{integration,interop,e2e}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          ...limits,
        },
      },
    ],
  },
});
