import { expect, inject, test } from 'vitest';
import { runAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { startGate } from './gate.ts';
import { createLab, signaturesOf, startTimeoutMs, untilSigned } from './lab.ts';

const host = inject('fallbackHost');
const compared = 'reconcile: the registry was compared with the rules';

test('what no event told of is signed: at the start, when somebody asks, and when a receiver could not queue it', async ({
  onTestFinished,
}) => {
  const redis = await startRedis({ appendOnly: false });
  onTestFinished(() => redis.stop());
  const lab = await createLab({ registries: { lab: host }, redisUrl: redis.url }, onTestFinished);
  const push = async () => {
    const repository = lab.repository();
    return { repository, image: await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' }) };
  };

  const before = await push();
  const work = await lab.start('work');
  await untilSigned(host, before.repository, before.image);
  await work.process.waitForLine((line) => line.includes(compared), startTimeoutMs);

  const missed = await push();
  const output = await runAutosign({ args: ['reconcile', '--wait', '--json'], env: lab.environment });
  expect(JSON.parse(output)).toEqual({
    registries: [
      {
        registry: 'lab',
        status: 'compared',
        counts: { tags: 2, queued: 1, existing: 0, waiting: 0, failed: 0 },
      },
    ],
  });
  await untilSigned(host, missed.repository, missed.image);

  // Redis is away for the receiver alone, so that no worker asks for a run because of an outage of its own.
  const gate = await startGate(`127.0.0.1:${redis.port}`);
  onTestFinished(gate.close);
  const serve = await lab.start('serve', { AUTOSIGN_REDIS_URL: `redis://${gate.host}` });
  const refused = await push();
  expect((await serve.post({ repository: refused.repository })).status).toBe(503);
  expect(await signaturesOf(host, refused.repository, refused.image)).toBe(0);
  gate.open();
  await untilSigned(host, refused.repository, refused.image);

  const metrics = await (await fetch(`${work.url}/metrics`)).text();
  expect(metrics).toMatch(/autosign_last_reconcile_timestamp_seconds\{registry="lab"\} \d/);
});
