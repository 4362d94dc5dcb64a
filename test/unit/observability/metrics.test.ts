import { expect, test } from 'vitest';
import { createMetrics, type MetricsSources } from '../../../src/observability/metrics.ts';

function open(sources: Partial<MetricsSources> = {}) {
  const metrics = createMetrics({
    isRegistry: (name) => name === 'lab',
    queueDepth: async () => ({ lanes: [{ lane: 'push', state: 'waiting', count: 3 }], deadLetters: 2 }),
    paused: () => [],
    certificates: () => [],
    clientKeys: () => [],
    now: () => new Date('2026-01-01T00:00:00Z'),
    ...sources,
  });
  const shown = /^autosign(?!_(?:push_to_signed|kms_quota_wait)_seconds_(?:bucket|sum))/;
  const lines = async () => (await metrics.render()).text.split('\n').filter((line) => shown.test(line));
  return { metrics, lines };
}

test('shows what was counted, and what is there at the moment it is asked', async () => {
  const { metrics, lines } = open({
    paused: () => [{ scope: 'key', name: 'release' }],
    certificates: () => [
      { key: 'release', notAfter: new Date('2026-01-31T12:00:00Z') },
      { key: 'old', notAfter: new Date('2025-12-31T00:00:00Z') },
    ],
    clientKeys: () => [{ key: 'release', notAfter: new Date('2026-01-11T00:00:00Z') }],
  });
  metrics.jobRan('lab', 'examined');
  metrics.jobRan('lab', 'examined');
  metrics.intentEnded({ registry: 'lab', rule: 'prod', format: 'notation', status: 'signed' });
  const failed = { registry: 'lab', rule: 'prod', format: 'notation', status: 'failed' };
  metrics.intentEnded({ ...failed, code: 'digest-mismatch' });
  metrics.pushSigned('lab', 0.2);
  metrics.keyServiceCalled({ key: 'release', action: 'AsymmetricSign', outcome: 'throttled' });
  metrics.quotaTaken({ scope: '123/cn-x', waitedMs: 30 });
  metrics.quotaLimited({ scope: '123/cn-x', perSecond: 126 });
  metrics.failed('registry-denied');
  metrics.failed('unexpected');
  metrics.reconciled('lab', new Date(1_700_000_000_500));
  metrics.triggersSynced('lab', new Date(1_700_000_001_000));
  expect(await lines()).toEqual([
    'autosign_jobs_total{registry="lab",outcome="examined"} 2',
    'autosign_signatures_total{registry="lab",rule="prod",format="notation",status="signed"} 1',
    'autosign_signatures_total{registry="lab",rule="prod",format="notation",status="failed",code="digest-mismatch"} 1',
    'autosign_failures_total{code="registry-denied"} 1',
    'autosign_failures_total{code="unexpected"} 1',
    'autosign_push_to_signed_seconds_count{registry="lab"} 1',
    'autosign_kms_calls_total{key="release",action="AsymmetricSign",outcome="throttled"} 1',
    'autosign_kms_quota_wait_seconds_count{scope="123/cn-x"} 1',
    'autosign_kms_quota_calls_per_second{scope="123/cn-x"} 126',
    'autosign_last_reconcile_timestamp_seconds{registry="lab"} 1700000000.5',
    'autosign_last_trigger_sync_timestamp_seconds{registry="lab"} 1700000001',
    'autosign_paused{scope="key",name="release"} 1',
    'autosign_certificate_days_left{key="release"} 30.5',
    'autosign_certificate_days_left{key="old"} -1',
    'autosign_client_key_days_left{key="release"} 10',
    'autosign_queue_jobs{lane="push",state="waiting"} 3',
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
  let queueDepth: MetricsSources['queueDepth'] = async () => ({
    lanes: [{ lane: 'push', state: 'waiting', count: 3 }],
    deadLetters: 2,
  });
  const { metrics, lines } = open({ queueDepth: () => queueDepth() });
  metrics.failed('redis-unreachable');
  expect(await lines()).toHaveLength(3);
  queueDepth = () => Promise.reject(new Error('no Redis'));
  expect(await lines()).toEqual(['autosign_failures_total{code="redis-unreachable"} 1']);
  queueDepth = async () => ({ lanes: [], deadLetters: 0 });
  expect(await lines()).toContain('autosign_dead_letters 0');
});

test.each([
  [0.2, 0.2],
  [-3_600, 0],
  [10 * 365 * 24 * 3_600, 7 * 24 * 3_600],
])('a push that seems to have taken %d s counts as %d s', async (seconds, counted) => {
  const { metrics } = open();
  metrics.pushSigned('lab', seconds);
  const { text } = await metrics.render();
  expect(text).toContain(`autosign_push_to_signed_seconds_sum{registry="lab"} ${counted}`);
});

test('two of them do not meet', async () => {
  const [one, other] = [open(), open()];
  one.metrics.jobRan('lab', 'gone');
  expect((await other.lines()).filter((line) => line.includes('jobs_total'))).toEqual([]);
});
