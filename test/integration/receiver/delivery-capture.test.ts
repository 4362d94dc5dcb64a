import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { createDeliveryWish } from '../../../src/coordination/delivery-capture.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { openReceiver, pushBody, type TestReceiver, tokens } from './receiver-setup.ts';

const aMinuteMs = 60_000;

async function setUp() {
  const receiver = await openReceiver({ redisUrl: inject('redisUrl') });
  onTestFinished(() => receiver.close());
  const { redis, prefix } = receiver;
  await waitUntil(
    async () => redis.status,
    (status) => status === 'ready',
  );
  return { ...receiver, wish: createDeliveryWish({ redis, prefix }) };
}

const post = (
  { app }: Pick<TestReceiver, 'app'>,
  body: unknown,
  headers: Record<string, string> = {},
  token = tokens.prod,
) =>
  app.inject({
    method: 'POST',
    url: `/webhooks/acr/prod/${token}`,
    headers: { 'content-type': 'application/json', ...headers },
    payload: JSON.stringify(body),
  });

/** Waits until the receiver has told Redis everything: commands of one connection are answered in their order. */
async function settled({ redis }: Pick<TestReceiver, 'redis'>) {
  for (let turn = 0; turn < 5; turn += 1) await redis.ping();
}

describe('while somebody wants to see deliveries', () => {
  test('one that is believed is kept as it came, without its token wherever a proxy wrote it', async () => {
    const receiver = await setUp();
    expect(await receiver.wish.begin('prod', 'app', aMinuteMs)).toBe(true);
    const headers = {
      'user-agent': 'acr/1',
      'x-original-uri': `/webhooks/acr/prod/${tokens.prod}`,
      cookie: 'session=very-private',
      'x-api-key': 'very-private',
    };
    const body = { ...pushBody(), instance: { id: 'cri-1', note: tokens.prod } };
    expect((await post(receiver, body, headers)).statusCode).toBe(202);
    await settled(receiver);
    const [delivery, ...more] = await receiver.wish.read('prod');
    expect(more).toEqual([]);
    expect(delivery).toMatchObject({ door: 'acr', from: '127.0.0.1', path: '/webhooks/acr/prod/…' });
    expect(delivery?.headers).toMatchObject({ 'user-agent': 'acr/1', 'x-original-uri': '/webhooks/acr/prod/…' });
    expect(delivery?.headers).toMatchObject({ cookie: '(20 characters)', 'x-api-key': '(12 characters)' });
    expect(JSON.parse(delivery?.body ?? '')).toEqual({ ...pushBody(), instance: { id: 'cri-1', note: '…' } });
    expect(JSON.stringify(delivery)).not.toMatch(/very-private|prod-token/);
  });

  test('one that is not understood is kept, too: that is when it is wanted', async () => {
    const receiver = await setUp();
    await receiver.wish.begin('prod', 'app', aMinuteMs);
    expect((await post(receiver, { app: 'of another form' })).statusCode).toBe(422);
    await settled(receiver);
    expect(await receiver.wish.read('prod')).toMatchObject([{ body: '{"app":"of another form"}' }]);
  });

  test('one of a stranger, of another repository, or of another registry is not', async () => {
    const receiver = await setUp();
    await receiver.wish.begin('prod', 'app', aMinuteMs);
    expect((await post(receiver, pushBody(), {}, 'wrong')).statusCode).toBe(401);
    expect((await post(receiver, pushBody({ name: 'other' }))).statusCode).toBe(202);
    const quiet = { method: 'POST', url: `/webhooks/acr/quiet/${tokens.quiet}`, payload: pushBody() } as const;
    expect((await receiver.app.inject(quiet)).statusCode).toBe(202);
    await settled(receiver);
    expect(await receiver.wish.read('prod')).toEqual([]);
    expect(await receiver.wish.read('quiet')).toEqual([]);
  });

  test('no more than fifty are kept, each with 16 KiB of its body at most', async () => {
    const receiver = await setUp();
    await receiver.wish.begin('prod', 'app', aMinuteMs);
    const body = { ...pushBody(), more: 'x'.repeat(30_000) };
    for (let count = 0; count < 55; count += 1) {
      expect((await post(receiver, body)).statusCode).toBe(202);
      await settled(receiver);
    }
    const kept = await receiver.wish.read('prod');
    expect(kept).toHaveLength(50);
    expect(new Set(kept.map(({ body }) => body.length))).toEqual(new Set([16_384]));
    expect(await receiver.redis.pttl(`${receiver.prefix}:captured:prod`)).toBeGreaterThan(0);
  });

  test('a second one who wants to see them is told so, and the end leaves nothing', async () => {
    const receiver = await setUp();
    expect(await receiver.wish.begin('prod', 'app', aMinuteMs)).toBe(true);
    expect(await receiver.wish.begin('prod', 'other', aMinuteMs)).toBe(false);
    await post(receiver, pushBody());
    await settled(receiver);
    await receiver.wish.end('prod');
    // The receiver knows of the wish for two more seconds; Redis does not.
    await post(receiver, pushBody());
    await settled(receiver);
    expect(await receiver.redis.keys(`${receiver.prefix.replace(/[{}]/g, '?')}:capture*`)).toEqual([]);
    expect(await receiver.wish.begin('prod', 'app', aMinuteMs)).toBe(true);
  });

  test('what a stranger wrote into the list is left out', async () => {
    const { wish, redis, prefix } = await setUp();
    await redis.rpush(`${prefix}:captured:prod`, 'x', '{}', '{"door":"acr","arrivedAt":"now"}');
    expect(await wish.read('prod')).toEqual([]);
  });
});

test('without a wish nothing is kept, and Redis is asked once in two seconds', async () => {
  const receiver = await setUp();
  const { redis } = receiver;
  const asked: string[] = [];
  const get = redis.get.bind(redis);
  redis.get = ((key: string) => {
    asked.push(key);
    return get(key);
  }) as typeof redis.get;
  for (let count = 0; count < 5; count += 1) expect((await post(receiver, pushBody())).statusCode).toBe(202);
  await settled(receiver);
  expect(asked.filter((key) => key.includes('capture-wish')).length).toBeLessThanOrEqual(2);
  expect(await receiver.wish.read('prod')).toEqual([]);
});
