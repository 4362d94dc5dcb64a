import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { parseSignJob } from '../../../src/queue/sign-job.ts';
import { createEventBridge, type Delivery } from '../../emulator/event-bridge.ts';
import { hostileHeaderValues } from '../../support/hostile-certificate-urls.ts';
import {
  accountId,
  type EventBridgeReceiver,
  image,
  instanceId,
  openEventBridgeReceiver,
  region,
  rulesFor,
  token,
  untilConnected,
  url,
  writePinned,
} from './event-bridge-setup.ts';
import { readRules, type TestReceiverOptions } from './receiver-setup.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: Partial<TestReceiverOptions> = {}, rules?: string): Promise<EventBridgeReceiver> {
  const receiver = await openEventBridgeReceiver({ redisUrl: inject('redisUrl'), ...options }, rules);
  cleanups.push(async () => {
    await receiver.queue.obliterate({ force: true });
    await receiver.close();
  });
  return receiver;
}

/** Nothing was queued, marked, remembered or asked of anybody. */
async function expectNothingDone({ queue, redis, prefix, reconciles }: EventBridgeReceiver): Promise<void> {
  expect(await queue.count()).toBe(0);
  expect(await redis.keys(`${prefix}:pushed:*`)).toEqual([]);
  expect(await redis.keys(`${prefix}:seen-event:*`)).toEqual([]);
  expect(reconciles).toEqual([]);
}

describe('a delivery that is in order', () => {
  test.each(['cr:Artifact:PushCompleted', 'cr:Artifact:SynchronizationCompleted'])(
    'of the type %s is answered with 202 and the job, once Redis has it',
    async (type) => {
      const receiver = await open();
      const answer = await receiver.send(receiver.sign(receiver.eventBridge.event(image, { type })));
      expect(answer.statusCode).toBe(202);
      const { queued, job } = answer.json();
      expect(queued).toBe(true);
      const data = parseSignJob((await receiver.queue.getJob(job))?.data);
      expect(data).toMatchObject({ registry: 'prod', repository: 'prod/app', tag: 'v1', lane: 'push' });
      expect(data.cause).toMatchObject({ kind: 'push' });
      expect(await receiver.marks.read({ registry: 'prod', repository: 'prod/app', tag: 'v1' })).toBeDefined();
      expect(receiver.host.requests).toEqual([
        `${new URL(receiver.eventBridge.certificateUrl).host} /x509_public_certificate_2026112801.pem`,
      ]);
    },
  );

  test.each([
    ['with a line feed signed after the body', { endsWithLineFeed: true }, {}],
    ['of any content type', {}, { 'content-type': 'application/cloudevents+json; charset=utf-8' }],
    ['of no content type', {}, { 'content-type': undefined }],
    ['with the older signature beside it', {}, { 'x-eventbridge-signature': 'okK0HtfrD9y1xX0UuhKxR0DILgc=' }],
  ])('%s is taken', async (_what, options, headers) => {
    const receiver = await open();
    const answer = await receiver.send(receiver.sign(undefined, options), headers);
    expect(answer.json()).toMatchObject({ queued: true });
  });

  test('takes the digest for a hint', async () => {
    const receiver = await open();
    const { data, ...event } = receiver.eventBridge.event(image);
    const answer = await receiver.send(
      receiver.sign({ ...event, data: { ...(data as object), Digest: 'a'.repeat(64) } }),
    );
    const job = await receiver.queue.getJob(answer.json().job);
    expect(job?.data.cause.eventDigest).toBe(`sha256:${'a'.repeat(64)}`);
  });

  test.each([
    ['of a signature tag', { tag: `sha256-${'b'.repeat(64)}.sig` }, 'the tag holds signatures'],
    ['that no rule wants', { repository: 'dev/app' }, 'no rule wants this repository and tag'],
  ])('%s is answered with 202 and the reason', async (_what, other, reason) => {
    const receiver = await open();
    const answer = await receiver.send(receiver.sign(receiver.eventBridge.event({ ...image, ...other })));
    expect([answer.statusCode, answer.json()]).toEqual([
      202,
      { queued: false, reason: expect.stringContaining(reason) },
    ]);
    await expectNothingDone(receiver);
  });

  test('is checked against the URL of the rules, not the one that the request has', async () => {
    const receiver = await open();
    const signed = receiver.sign(undefined, { url: 'http://localhost:80/webhooks/eventbridge/prod' });
    const answer = await receiver.send(signed, { host: 'hooks.example.com', 'x-forwarded-proto': 'https' });
    expect(answer.statusCode).toBe(401);
    await expectNothingDone(receiver);
  });

  test('may come with one of two tokens while it is changed', async () => {
    const receiver = await open({}, rulesFor({ tokens: ['next-token', token] }));
    expect((await receiver.send(receiver.sign())).statusCode).toBe(202);
    expect((await receiver.send(receiver.sign(undefined, { token: 'next-token' }))).statusCode).toBe(202);
    receiver.use(await readRules(rulesFor({ tokens: ['next-token'] })));
    expect((await receiver.send(receiver.sign())).statusCode).toBe(401);
  });
});

describe('an event that comes again', () => {
  test('is queued once, and answered with 202', async () => {
    const receiver = await open();
    const delivery = receiver.sign();
    expect((await receiver.send(delivery)).json()).toMatchObject({ queued: true });
    await receiver.queue.drain();
    const again = await receiver.send(delivery);
    expect([again.statusCode, again.json()]).toEqual([202, { queued: false, reason: 'this event was queued before' }]);
    expect(await receiver.queue.count()).toBe(0);
  });

  test('with a new time and signature is the same event', async () => {
    const receiver = await open();
    const event = receiver.eventBridge.event(image);
    await receiver.send(receiver.sign(event));
    const again = await receiver.send(receiver.sign(event, { timestamp: receiver.nowMs + 20_000 }));
    expect(again.json()).toMatchObject({ queued: false });
  });

  test('is remembered for a while, not for good', async () => {
    const receiver = await open();
    await receiver.send(receiver.sign());
    const [key = ''] = await receiver.redis.keys(`${receiver.prefix}:seen-event:*`);
    expect(await receiver.redis.ttl(key)).toBeGreaterThan(512);
    await receiver.redis.del(key);
    expect((await receiver.send(receiver.sign())).json()).toMatchObject({ queued: true });
  });

  test('under the same id with another image is another push', async () => {
    const receiver = await open();
    const event = receiver.eventBridge.event(image);
    const other = receiver.eventBridge.event({ ...image, tag: 'v2' }, { id: event['id'] });
    expect((await receiver.send(receiver.sign(event))).json()).toMatchObject({ queued: true });
    expect((await receiver.send(receiver.sign(other))).json()).toMatchObject({ queued: true });
  });

  test('that no rule wanted is looked at again, because rules change', async () => {
    const receiver = await open();
    const rules = await readRules(rulesFor());
    const delivery = receiver.sign();
    receiver.use({ ...rules, rules: [] });
    expect((await receiver.send(delivery)).json()).toMatchObject({ queued: false });
    receiver.use(rules);
    expect((await receiver.send(delivery)).json()).toMatchObject({ queued: true });
  });
});

describe('a delivery that is not EventBridge of this account speaking to this target is refused, and nothing is done', () => {
  type Forge = (receiver: EventBridgeReceiver) => Delivery | Promise<Delivery>;
  const without =
    (name: string): Forge =>
    (receiver) => {
      const { [name]: _, ...headers } = receiver.sign().headers as Record<string, string>;
      return { ...receiver.sign(), headers };
    };
  const withHeader =
    (name: string, value: string): Forge =>
    (receiver) => ({ ...receiver.sign(), headers: { ...receiver.sign().headers, [name]: value } });
  const otherBody =
    (change: (body: string) => string): Forge =>
    (receiver) => ({ ...receiver.sign(), body: change(receiver.sign().body) });
  const v1 = {
    'x-eventbridge-signature-method': 'HMAC-SHA1',
    'x-eventbridge-signature-secret': 'c2VjcmV0',
    'x-eventbridge-signature': 'okK0HtfrD9y1xX0UuhKxR0DILgc=',
  };

  test.each<[string, number, Forge]>([
    ['no token', 401, without('x-eventbridge-signature-token')],
    ['an empty token', 401, withHeader('x-eventbridge-signature-token', '')],
    ['another token, in order otherwise', 401, (receiver) => receiver.sign(undefined, { token: 'another' })],
    [
      'the right token put in afterwards',
      401,
      (receiver) => ({
        ...receiver.sign(undefined, { token: 'another' }),
        headers: { ...receiver.sign(undefined, { token: 'another' }).headers, 'x-eventbridge-signature-token': token },
      }),
    ],
    [
      'a key of somebody else',
      401,
      async (receiver) => {
        const stranger = await createEventBridge({ region, accountId });
        return stranger.sign(stranger.event(image), { url, token, timestamp: receiver.nowMs });
      },
    ],
    ['no signature', 401, without('x-eventbridge-signature-v2')],
    ['an invented signature', 401, withHeader('x-eventbridge-signature-v2', Buffer.alloc(256, 7).toString('base64'))],
    [
      'the older signature alone',
      401,
      (receiver) => {
        const { 'x-eventbridge-signature-v2': _, ...headers } = receiver.sign().headers as Record<string, string>;
        return { ...receiver.sign(), headers: { ...headers, ...v1 } };
      },
    ],
    ['a time put in afterwards', 401, withHeader('x-eventbridge-signature-timestamp', '1795867200001')],
    ['a time that is over', 401, (receiver) => receiver.sign(undefined, { timestamp: receiver.nowMs - 60_001 })],
    ['a time that is to come', 401, (receiver) => receiver.sign(undefined, { timestamp: receiver.nowMs + 60_001 })],
    ['no time', 401, without('x-eventbridge-signature-timestamp')],
    ['no hash', 401, without('x-eventbridge-hash-method')],
    ['no certificate', 401, without('x-eventbridge-signature-url')],
    [
      'the target of another registry',
      401,
      (receiver) => receiver.sign(undefined, { url: url.replace('prod', 'lab') }),
    ],
    ['a body that one letter was changed in', 401, otherBody((body) => body.replace('prod', 'prOd'))],
    ['a body with a space more', 401, otherBody((body) => `${body} `)],
    ['no body', 401, otherBody(() => '')],
    [
      'the event of another account',
      403,
      (receiver) => receiver.sign(receiver.eventBridge.event(image, { aliyunaccountid: '9999999999999999' })),
    ],
  ])('%s', async (_what, status, forge) => {
    const receiver = await open();
    const answer = await receiver.send(await forge(receiver));
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toEqual({ error: expect.any(String) });
    await expectNothingDone(receiver);
  });

  test.each([
    ['no JSON', '{"id":', 'body: expected JSON'],
    ['a part of the event', '{"InstanceId":"cri-prod","Tag":"v1"}', 'id: '],
    [
      'an event without an account',
      JSON.stringify({ id: '1', source: 'acs.cr', type: 'x', aliyunregionid: region }),
      'aliyunaccountid: ',
    ],
  ])('a signed body that is %s is refused with 422 and the field', async (_what, body, message) => {
    const receiver = await open();
    const answer = await receiver.send(receiver.sign(body));
    expect([answer.statusCode, answer.json().error]).toEqual([422, expect.stringContaining(message)]);
    await expectNothingDone(receiver);
  });

  test('a registry without EventBridge and an unknown one answer as a wrong token does', async () => {
    const receiver = await open();
    const answers = [
      await receiver.send(receiver.sign(undefined, { token: 'another' })),
      await receiver.send(receiver.sign(), {}, 'lab'),
      await receiver.send(receiver.sign(), {}, 'nowhere'),
      await receiver.send(receiver.sign(), {}, '__proto__'),
    ];
    for (const answer of answers) expect([answer.statusCode, answer.body]).toEqual([401, answers[0]?.body]);
    await expectNothingDone(receiver);
    expect(receiver.host.connections).toEqual([]);
  });

  test('a stranger has nothing fetched, however often he tries, and is told to wait', async () => {
    const receiver = await open({ limits: { wrongTokensPerMinuteMax: 3 } });
    const delivery = receiver.sign(undefined, { token: 'another' });
    const statuses: number[] = [];
    for (let count = 0; count < 5; count += 1) statuses.push((await receiver.send(delivery)).statusCode);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect(receiver.host.connections).toEqual([]);
    expect((await receiver.send(receiver.sign())).statusCode).toBe(202);
  });
});

describe('an event of the right account that is not a push to this instance is answered with 202 and the reason', () => {
  test.each([
    ['another source', { source: 'acs.oss' }],
    ['another type', { type: 'cr:Artifact:ScanCompleted' }],
    ['another region', { aliyunregionid: 'cn-beijing' }],
    ['another instance', { data: { InstanceId: 'cri-other', RepoNamespaceName: 'prod', RepoName: 'app', Tag: 'v1' } }],
    ['an image in another region', { data: { InstanceId: instanceId, RegionId: 'cn-beijing' } }],
  ])('%s', async (_what, changes) => {
    const receiver = await open();
    const answer = await receiver.send(receiver.sign(receiver.eventBridge.event(image, changes)));
    expect([answer.statusCode, answer.json()]).toEqual([202, { queued: false, reason: expect.any(String) }]);
    expect(receiver.log.join()).toContain('event of EventBridge ignored');
    await expectNothingDone(receiver);
  });
});

describe('an event that does not say which image was pushed', () => {
  test('has the registry compared with the rules, and says what is missing', async () => {
    const receiver = await open();
    const event = receiver.eventBridge.event(image, { data: { InstanceId: instanceId, Artifact: { Name: 'app' } } });
    const answer = await receiver.send(receiver.sign(event));
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ queued: false, reason: expect.stringContaining('data.RepoName') });
    expect(receiver.reconciles).toEqual(['prod']);
    expect(receiver.log.join()).toContain('event of EventBridge not understood');
    expect(await receiver.queue.count()).toBe(0);
  });
});

test('a certificate URL of some hundred hostile ones makes nothing believed, and no request goes out', async () => {
  const receiver = await open();
  expect(hostileHeaderValues.length).toBeGreaterThan(300);
  // The host answers whatever it is asked, for any name: what keeps it from being asked is the receiver alone.
  await untilConnected(receiver);
  for (const certificateUrl of hostileHeaderValues) {
    // Requests that are injected never wait for a socket: the connection to Redis would get no turn.
    await setImmediate();
    const answer = await receiver.send(receiver.sign(undefined, { certificateUrl }));
    expect([certificateUrl, answer.statusCode]).toEqual([certificateUrl, 401]);
  }
  expect(receiver.host.connections).toEqual([]);
  expect(receiver.host.requests).toEqual([]);
  await expectNothingDone(receiver);
});

describe('a certificate that cannot be had', () => {
  test.each<[string, (receiver: EventBridgeReceiver) => void]>([
    ['is not there', ({ host }) => (host.answer = (_, response) => void response.writeHead(404).end())],
    [
      'is elsewhere',
      ({ host }) => (host.answer = (_, response) => void response.writeHead(301, { location: '/y.pem' }).end()),
    ],
    [
      'is too large',
      ({ host, eventBridge }) =>
        (host.answer = (_, response) => void response.end(eventBridge.certificatePem + ' '.repeat(65_536))),
    ],
    ['is none', ({ host }) => (host.answer = (_, response) => void response.end('<html></html>'))],
    ['is cut off', ({ host }) => (host.answer = (_, response) => void response.destroy())],
  ])('because it %s makes the answer 503, and nothing is done', async (_what, spoil) => {
    const receiver = await open();
    spoil(receiver);
    const answer = await receiver.send(receiver.sign());
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
    expect(receiver.log.join()).toContain('no key to check the signature of EventBridge with');
    await expectNothingDone(receiver);
  });
});

describe('a pinned certificate', () => {
  async function openPinned(text: (receiverKey: string) => string) {
    const eventBridge = await createEventBridge({ region, accountId });
    const pinned = writePinned(text(eventBridge.certificatePem));
    cleanups.push(pinned.remove);
    const receiver = await open({}, rulesFor({ certificateFile: pinned.file }));
    const sign = (changes = {}) =>
      eventBridge.sign(eventBridge.event(image), { url, token, timestamp: receiver.nowMs, ...changes });
    return { receiver, eventBridge, pinned, sign };
  }

  test('is used, and none is fetched', async () => {
    const { receiver, sign } = await openPinned((pem) => pem);
    expect((await receiver.send(sign())).statusCode).toBe(202);
    expect(receiver.host.connections).toEqual([]);
  });

  test('may stand beside the next one', async () => {
    const next = await createEventBridge({ region, accountId });
    const { receiver, sign } = await openPinned((pem) => next.publicKeyPem + pem);
    expect((await receiver.send(sign())).statusCode).toBe(202);
    const other = next.sign(next.event(image), { url, token, timestamp: receiver.nowMs });
    expect((await receiver.send(other)).statusCode).toBe(202);
  });

  test('is believed instead of the one that the host has', async () => {
    const { receiver } = await openPinned((pem) => pem);
    expect((await receiver.send(receiver.sign())).statusCode).toBe(401);
    await expectNothingDone(receiver);
  });

  test('does not make a hostile certificate URL any better', async () => {
    const { receiver, sign } = await openPinned((pem) => pem);
    expect((await receiver.send(sign({ certificateUrl: 'https://evil.example.com/x.pem' }))).statusCode).toBe(401);
    await expectNothingDone(receiver);
  });

  test.each(['', 'no certificate'])('that is %j makes the answer 503', async (text) => {
    const { receiver, sign } = await openPinned(() => text);
    expect((await receiver.send(sign())).statusCode).toBe(503);
    await expectNothingDone(receiver);
  });

  test('whose file is not there makes the answer 503', async () => {
    const receiver = await open({}, rulesFor({ certificateFile: '/nowhere/eventbridge.pem' }));
    const answer = await receiver.send(receiver.sign());
    expect([answer.statusCode, answer.body.includes('nowhere')]).toEqual([503, false]);
    await expectNothingDone(receiver);
  });
});

test('no line of the log and no answer holds the token, whatever is sent', async () => {
  const receiver = await open();
  const event = receiver.eventBridge.event(image);
  const answers = [
    await receiver.send(receiver.sign()),
    await receiver.send(receiver.sign('{')),
    await receiver.send(receiver.sign({ ...event, data: {} })),
    await receiver.send(receiver.sign({ ...event, aliyunaccountid: '1' })),
    await receiver.send({ ...receiver.sign(), body: 'x' }),
    await receiver.send(receiver.sign(undefined, { certificateUrl: `https://${token}/` })),
    await receiver.send(receiver.sign(undefined, { timestamp: 1 })),
    await receiver.send(receiver.sign(), {}, 'nowhere'),
    await receiver.send(receiver.sign(), {}, token),
  ];
  receiver.host.answer = (_, response) => void response.writeHead(500).end(token);
  answers.push(
    await receiver.send(
      receiver.sign(undefined, { certificateUrl: receiver.eventBridge.certificateUrl.replace('.pem', '-2.pem') }),
    ),
  );
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 422, 202, 403, 401, 401, 401, 401, 401, 503]);
  expect(answers.map(({ body }) => body).join()).not.toContain(token);
  expect(receiver.log.length).toBeGreaterThan(8);
  expect(receiver.log.join('\n')).not.toContain(token);
});

test('a GET is answered with 405, a body above 64 KiB with 413', async () => {
  const receiver = await open();
  const get = await receiver.app.inject({ method: 'GET', url: '/webhooks/eventbridge/prod' });
  expect([get.statusCode, get.headers.allow]).toEqual([405, 'POST']);
  expect((await receiver.send(receiver.sign('x'.repeat(65_537)))).statusCode).toBe(413);
});
