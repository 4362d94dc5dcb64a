import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createIntentStore } from '../../../src/coordination/intent-store.ts';
import { openStore } from './open-store.ts';

const keepMs = 60_000;

test('knows nothing of an intent that nobody stored', async () => {
  expect(await createIntentStore({ ...openStore(), keepMs }).get('intent')).toBeUndefined();
});

test('gives back the very bytes, whatever they are', async () => {
  const intents = createIntentStore({ ...openStore(), keepMs });
  const bytes = Buffer.concat([Buffer.from([0, 0xff, 0xfe, 0x0d, 0x0a]), randomBytes(2_000)]);
  expect(Buffer.from(await intents.putIfAbsent('intent', bytes))).toEqual(bytes);
  expect(Buffer.from((await intents.get('intent')) ?? [])).toEqual(bytes);
});

test('the first of many rivals wins, and every rival is given the winner', async () => {
  const { redis, prefix } = openStore();
  const rivals = [openStore().redis, openStore().redis, redis].map((connection) =>
    createIntentStore({ redis: connection, prefix, keepMs }),
  );
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, number) =>
      rivals[number % rivals.length]?.putIfAbsent('intent', Buffer.from(`artifact ${number}`)),
    ),
  );
  const texts = new Set(answers.map((answer) => Buffer.from(answer ?? []).toString()));
  expect([...texts]).toEqual([expect.stringMatching(/^artifact \d+$/)]);
  expect(Buffer.from((await rivals[0]?.get('intent')) ?? []).toString()).toBe([...texts][0]);
});

test('does not change what is stored, and does not lengthen its time', async () => {
  const { redis, prefix } = openStore();
  await createIntentStore({ redis, prefix, keepMs: 5_000 }).putIfAbsent('intent', Buffer.from('first'));
  const second = createIntentStore({ redis, prefix, keepMs: 3_600_000 });
  expect(Buffer.from(await second.putIfAbsent('intent', Buffer.from('second'))).toString()).toBe('first');
  expect(await redis.pttl(`${prefix}:intent:intent`)).toBeLessThanOrEqual(5_000);
});

test('keeps intents apart', async () => {
  const intents = createIntentStore({ ...openStore(), keepMs });
  await intents.putIfAbsent('one', Buffer.from('1'));
  await intents.putIfAbsent('two', Buffer.from('2'));
  expect(Buffer.from((await intents.get('one')) ?? []).toString()).toBe('1');
});

test('forgets an artifact after its time, and the place is free again', async () => {
  const { redis, prefix } = openStore();
  const intents = createIntentStore({ redis, prefix, keepMs: 50 });
  await intents.putIfAbsent('intent', Buffer.from('first'));
  await expect.poll(() => intents.get('intent')).toBeUndefined();
  expect(Buffer.from(await intents.putIfAbsent('intent', Buffer.from('second'))).toString()).toBe('second');
});
