import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

const limits = { testTimeout: 60_000, hookTimeout: 120_000, pool: 'forks' } as const;
const globalSetup = ['test/support/global-setup.ts'];

export default defineConfig({
  test: {
    // Many tests wait for processes, leases and pauses more than they compute, so there is one more at once than cores.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], ...limits } },
      {
        test: {
          name: 'real-parts',
          include: ['test/{integration,interop,e2e,browser}/**/*.test.ts'],
          globalSetup,
          ...limits,
        },
      },
      {
        test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], globalSetup, ...limits, testTimeout: 300_000 },
      },
    ],
  },
});
