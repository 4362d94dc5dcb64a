import { Redis } from 'ioredis';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createIntentStore } from '../../../src/coordination/intent-store.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { createRedisLock } from '../../../src/coordination/redis-lock.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import type { SubjectLock } from '../../../src/ports/subject-lock.ts';
import { openStore } from './open-store.ts';

const password = 'redis-password-that-must-not-leak';
const prefix = '{outage}';
const image = { registry: 'lab', repository: 'prod/app', tag: 'v1' };
const digest = digestOf(Buffer.from('image'));

let url: string;
beforeAll(async () => {
  url = `redis://worker:${password}@127.0.0.1:${await freePort()}`;
});

/** A connection to a port where nobody listens; fails at the first refusal, so that the test need not wait. */
function noRedis(): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => 1_000 });
  redis.on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}

const asked: readonly [string, (redis: Redis) => Promise<unknown>][] = [
  ['the lock', (redis) => lockOn(redis).hold('image', async () => 'held')],
  ['reading a stored artifact', (redis) => createIntentStore({ redis, prefix, keepMs: 1_000 }).get('intent')],
  ['storing one', (redis) => createIntentStore({ redis, prefix, keepMs: 1_000 }).putIfAbsent('i', Buffer.from('x'))],
  ['marking a push', (redis) => createPushMarks({ redis, prefix }).mark(image, 'rules')],
  ['reading a mark', (redis) => createPushMarks({ redis, prefix }).read(image)],
  [
    'clearing a mark',
    (redis) =>
      createPushMarks({ redis, prefix }).clear(image, { value: 'value', markedAt: new Date(0), rulesHash: '' }),
  ],
  ['the state of a baseline', (redis) => createBaselineStore({ redis, prefix }).isComplete('rule', 'lab')],
  ['reading a baseline', (redis) => createBaselineStore({ redis, prefix }).standing('rule', image, digest)],
  ['beginning a baseline', (redis) => createBaselineStore({ redis, prefix }).begin('rule', 'lab')],
  ['entering an image', (redis) => createBaselineStore({ redis, prefix }).enter('rule', image, digest)],
  ['completing a baseline', (redis) => createBaselineStore({ redis, prefix }).complete('rule', 'lab', 'walk')],
  ['listing a baseline', (redis) => Array.fromAsync(createBaselineStore({ redis, prefix }).entries('rule', 'lab'))],
];

function lockOn(redis: Redis): SubjectLock {
  return createRedisLock({ redis, prefix, leaseMs: 1_000, deadlineMs: 500, waitMs: 100 });
}

describe('without Redis', () => {
  test.each(asked)('%s ends with redis-unreachable, and the password stays out of the message', async (_, ask) => {
    const error = await ask(noRedis()).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'redis-unreachable', cause: expect.anything() });
    expect((error as Error).message).toContain('AUTOSIGN_REDIS_URL');
    expect((error as Error).message).not.toContain(password);
  });

  test('a lock whose release fails still gives back what the work gave', async () => {
    const { redis, prefix: own } = openStore();
    const other = redis.duplicate();
    onTestFinished(() => other.disconnect());
    const lock = createRedisLock({ redis: other, prefix: own, leaseMs: 1_000, deadlineMs: 500, waitMs: 100 });
    const held = await lock.hold('image', async () => {
      other.disconnect();
      return 'done';
    });
    expect(held).toBe('done');
  });
});
