import { expect, test } from 'vitest';
import { createMetrics, type MetricsSources } from '../../../src/observability/metrics.ts';

function open(sources: Partial<MetricsSources> = {}) {
  const metrics = createMetrics({
    isRegistry: (name) => name === 'lab',
    jobCounts: async () => ({ waiting: 3, failed: 2 }),
    paused: () => [],
    ...sources,
  });
  const lines = async () => (await metrics.render()).text.split('\n').filter((line) => /^autosign/.test(line));
  return { metrics, lines };
}

test('shows what was counted, and what is there at the moment it is asked', async () => {
  const { metrics, lines } = open({ paused: () => [{ scope: 'key', name: 'release' }] });
  metrics.jobRan('lab', 'examined');
  metrics.jobRan('lab', 'examined');
  metrics.intentEnded({ registry: 'lab', rule: 'prod', format: 'notation', status: 'signed' });
  metrics.failed('registry-denied');
  metrics.failed('unexpected');
  metrics.reconciled('lab', new Date(1_700_000_000_500));
  expect(await lines()).toEqual([
    'autosign_jobs_total{registry="lab",outcome="examined"} 2',
    'autosign_signatures_total{registry="lab",rule="prod",format="notation",status="signed"} 1',
    'autosign_failures_total{code="registry-denied"} 1',
    'autosign_failures_total{code="unexpected"} 1',
    'autosign_last_reconcile_timestamp_seconds{registry="lab"} 1700000000.5',
    'autosign_paused{scope="key",name="release"} 1',
    'autosign_queue_jobs{state="waiting"} 3',
    'autosign_dead_letters 2',
  ]);
  expect((await metrics.render()).contentType).toMatch(/^text\/plain; version=0\.0\.4/);
});

test.each([undefined, null, 7, 'elsewhere', 'lab\n', '<script>', { name: 'lab' }])(
  'a registry that is not configured makes no label of its own: %j',
  async (registry) => {
    const { metrics, lines } = open();
    metrics.jobRan(registry, 'dead');
    metrics.intentEnded({ registry, rule: 'prod', format: 'notation', status: 'signed' });
    expect((await lines()).filter((line) => line.includes('registry='))).toEqual([
      'autosign_jobs_total{registry="other",outcome="dead"} 1',
      'autosign_signatures_total{registry="other",rule="prod",format="notation",status="signed"} 1',
    ]);
  },
);

test('a pause that is over is gone', async () => {
  let paused = [{ scope: 'registry', name: 'lab' }];
  const { lines } = open({ paused: () => paused });
  expect(await lines()).toContain('autosign_paused{scope="registry",name="lab"} 1');
  paused = [];
  expect((await lines()).filter((line) => line.startsWith('autosign_paused'))).toEqual([]);
});

test('without Redis the counts of the queue are absent, not old, and the rest is there', async () => {
  let jobCounts = async (): Promise<Record<string, number>> => ({ waiting: 3, failed: 2 });
  const { metrics, lines } = open({ jobCounts: () => jobCounts() });
  metrics.failed('redis-unreachable');
  expect(await lines()).toHaveLength(3);
  jobCounts = () => Promise.reject(new Error('no Redis'));
  expect(await lines()).toEqual(['autosign_failures_total{code="redis-unreachable"} 1']);
  jobCounts = async () => ({ failed: 0 });
  expect(await lines()).toContain('autosign_dead_letters 0');
});

test('two of them do not meet', async () => {
  const [one, other] = [open(), open()];
  one.metrics.jobRan('lab', 'gone');
  expect((await other.lines()).filter((line) => line.includes('jobs_total'))).toEqual([]);
});
