import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { freePort } from '../../infra/processes/free-port.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { newWebhookToken } from '../../src/commands/token.ts';
import { signQueuePrefix } from '../../src/queue/job-options.ts';
import { createEventBridge } from '../emulator/event-bridge.ts';
import { type AtEnd, createLab, signaturesOf, untilSigned } from './lab.ts';

const host = inject('fallbackHost');
const instanceId = 'cri-e2e';
// As a proxy in front of the receiver has it: what the receiver sees is another address.
const url = 'https://hooks.example.com/in/webhooks/eventbridge/lab';

// Any will do; without one the worker would look for that of a machine in the cloud.
const identity = { ALIBABA_CLOUD_ACCESS_KEY_ID: 'LTAIe2e', ALIBABA_CLOUD_ACCESS_KEY_SECRET: 'unused' };

/** The receiver first, and EventBridge with its certificate pinned in the rules. */
async function setUp(commands: readonly ('serve' | 'work')[], atEnd: AtEnd) {
  const redis = await startRedis({ appendOnly: false });
  atEnd(() => redis.stop());
  const directory = await mkdtemp(join(tmpdir(), 'autosign-eventbridge-'));
  atEnd(() => rm(directory, { recursive: true }));
  const eventBridge = await createEventBridge({ region: 'cn-hangzhou', accountId: '1234567890123456' });
  const certificateFile = join(directory, 'eventbridge.pem');
  await writeFile(certificateFile, eventBridge.certificatePem);
  const { token, tokenSha256 } = newWebhookToken('lab');
  const { accountId, region } = eventBridge;
  const lab = await createLab(
    {
      registries: { lab: host },
      redisUrl: redis.url,
      fields: {
        lab: {
          // Nobody is there: the registry asks for no login, and the event names the image, so nothing needs the instance.
          acr: { instanceId, region, endpoint: `http://127.0.0.1:${await freePort()}` },
          eventBridge: { url, accountId, tokenSha256: [tokenSha256], certificateFile },
        },
      },
    },
    atEnd,
  );
  const [serve] = await Promise.all(commands.map((command) => lab.start(command, identity)));
  const to = `${serve?.url}/webhooks/eventbridge/lab`;
  return {
    lab,
    eventBridge,
    redisUrl: redis.url,
    /** Delivered through the proxy. */
    deliver: async (event: Record<string, unknown>, by = eventBridge) => {
      const answer = await by.deliver(event, { url, token, to });
      return { status: answer.status, body: (await answer.json()) as { queued?: boolean; reason?: string } };
    },
  };
}

test('an event of EventBridge leads to a signature, once; one of a stranger to nothing', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const { lab, eventBridge, deliver } = await setUp(['serve', 'work'], onTestFinished);
  const repository = lab.repository();
  const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
  const event = eventBridge.event({ instanceId, repository, tag: 'v1' });

  const stranger = await createEventBridge(eventBridge);
  expect(await deliver(event, stranger)).toMatchObject({ status: 401 });
  expect(await deliver({ ...event, aliyunaccountid: '9999999999999999' })).toMatchObject({ status: 403 });
  expect(await signaturesOf(host, repository, image)).toBe(0);

  expect(await deliver(event)).toMatchObject({ status: 202, body: { queued: true } });
  await untilSigned(host, repository, image);
  expect(await deliver(event)).toEqual({
    status: 202,
    body: { queued: false, reason: 'this event was queued before' },
  });
  expect(await signaturesOf(host, repository, image)).toBe(1);
});

test('an event that does not say which image was pushed has a reconcile asked for', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const { eventBridge, deliver, redisUrl } = await setUp(['serve'], onTestFinished);
  const redis = new Redis(redisUrl);
  onTestFinished(() => redis.disconnect());
  const wanted = () => redis.hget(`${signQueuePrefix}:reconcile-wanted-unhurried`, 'lab');
  expect(await wanted()).toBeNull();
  const event = eventBridge.event({ instanceId, repository: 'x/y', tag: 'v1' }, { data: { InstanceId: instanceId } });
  expect(await deliver(event)).toMatchObject({ status: 202, body: { queued: false } });
  expect(await wanted()).toMatch(/^\d+$/);
});
