import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askForPlaces } from '../../../src/coordination/quota-window.ts';
import type { QuotaScope } from '../../../src/ports/quota.ts';
import { openStore } from './open-store.ts';
import { mostInASecond, runCalls, type VirtualCall, virtualStart } from './virtual-quota.ts';

const scopeOf = (perSecond: number, perDay?: number): QuotaScope => ({
  name: `1234567890123456/region-${Math.random().toString(36).slice(2)}`,
  perSecond,
  perDay,
});
const smooth = { worker: 0, lane: 'push', answerMs: 1, wayMs: 5, backMs: 5 } as const;
const many = (count: number, call: Partial<VirtualCall> = {}) =>
  Array.from({ length: count }, () => ({ at: 0, ...smooth, ...call }));

const aCall: fc.Arbitrary<VirtualCall> = fc.record({
  at: fc.integer({ min: 0, max: 3_000 }),
  worker: fc.integer({ min: 0, max: 3 }),
  lane: fc.constantFrom('push', 'backfill'),
  answerMs: fc.integer({ min: 0, max: 200 }),
  wayMs: fc.integer({ min: 0, max: 800 }),
  backMs: fc.integer({ min: 0, max: 800 }),
});

test('never more calls than the limit reach KMS in any second, whatever the network does, and each gets its turn', async () => {
  const store = openStore();
  const limits = fc.integer({ min: 1, max: 12 });
  const property = fc.asyncProperty(limits, fc.array(aCall, { maxLength: 40 }), async (perSecond, calls) => {
    const made = await runCalls(store, calls, { scope: scopeOf(perSecond) });
    expect(made).toHaveLength(calls.length);
    expect(mostInASecond(made.map(({ receivedAt }) => receivedAt))).toBeLessThanOrEqual(perSecond);
  });
  await fc.assert(property, { numRuns: 25 });
});

test('nor when calls are throttled, workers die with calls under way, and another machine’s clock takes over', async () => {
  const store = openStore();
  const limits = fc.integer({ min: 1, max: 12 });
  const calls = fc.array(fc.record({ call: aCall, isLost: fc.boolean() }), { maxLength: 40 });
  const property = fc.asyncProperty(
    limits,
    calls,
    fc.integer({ min: 0, max: 60_000 }),
    async (perSecond, all, behind) => {
      const of = all.map(({ call, isLost }) => ({ ...call, isLost: isLost && call.worker === 0 && call.at < 1_000 }));
      const made = await runCalls(store, of, {
        scope: scopeOf(perSecond),
        use: (_, receipts) => (receipts.length % 3 === 0 ? 'throttled' : 'ended'),
        redisTime: (at) => (at > virtualStart + 1_500 ? at - behind : at),
      });
      expect(made).toHaveLength(of.length);
      expect(mostInASecond(made.map(({ receivedAt }) => receivedAt))).toBeLessThanOrEqual(perSecond);
    },
  );
  await fc.assert(property, { numRuns: 20 });
});

describe('under a steady demand', () => {
  test('nearly all of the limit is used', async () => {
    const calls = many(200).map((call, index) => ({ ...call, worker: index % 4 }));
    const made = await runCalls(openStore(), calls, { scope: scopeOf(50) });
    const lastAt = Math.max(...made.map(({ receivedAt }) => receivedAt));
    // Each place counts from its giving to a second after the answer, which is 1,011 ms: 49.4 calls a second.
    expect((lastAt - virtualStart) / 1_000).toBeLessThan(4);
    expect((lastAt - virtualStart) / 1_000).toBeGreaterThan(3);
  });

  test('of 198 calls a second at least 190 are used when KMS answers after 30 ms, and 198 are never exceeded', async () => {
    const calls = many(800, { wayMs: 15, backMs: 15 }).map((call, index) => ({
      ...call,
      at: index,
      worker: index % 4,
    }));
    const receipts = (await runCalls(openStore(), calls, { scope: scopeOf(198) })).map(({ receivedAt }) => receivedAt);
    const from = virtualStart + 1_000;
    const later = receipts.filter((at) => at >= from);
    expect((later.length / (Math.max(...later) - from)) * 1_000).toBeGreaterThan(190);
    expect(mostInASecond(receipts)).toBeLessThanOrEqual(198);
  });

  test('live pushes are served in the order of their coming by each worker, and none is overtaken for long', async () => {
    const calls = many(60).map((call, index) => ({ ...call, at: index, worker: index % 3 }));
    const made = await runCalls(openStore(), calls, { scope: scopeOf(20) });
    for (const worker of [0, 1, 2]) {
      const order = made.filter((call) => call.worker === worker).map(({ at }) => at);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
    made.forEach(({ at }, index) => {
      expect(Math.abs(index - at)).toBeLessThan(20);
    });
  });

  test('a live push waits for no more than what the others were given before it', async () => {
    const backfill = many(200, { lane: 'backfill' });
    const made = await runCalls(openStore(), [...backfill, { ...smooth, at: 500, worker: 1 }], { scope: scopeOf(20) });
    const live = made.find(({ lane }) => lane === 'push');
    expect((live?.receivedAt ?? Number.NaN) - virtualStart).toBeLessThan(1_200);
    expect(made).toHaveLength(201);
  });

  test('calls are spread: no more than a tenth of them begins at one moment', async () => {
    const made = await runCalls(openStore(), many(100), { scope: scopeOf(100) });
    const firstMoment = made.filter(({ receivedAt }) => receivedAt < virtualStart + 10);
    expect(firstMoment.length).toBeLessThanOrEqual(11);
  });
});

describe('a place', () => {
  const asking = (
    scope: QuotaScope,
    nowMs: number,
    live: number,
    ended: Parameters<typeof askForPlaces>[2]['ended'] = [],
  ) => ({
    scope,
    id: `id-${nowMs}`,
    live,
    backfill: 0,
    ended,
    nowMs: virtualStart + nowMs,
  });

  test('that was not needed is free at once, and does not count for the day', async () => {
    const { redis, prefix } = openStore();
    const scope = scopeOf(1, 2);
    const [first] = (await askForPlaces(redis, prefix, asking(scope, 0, 1))).live;
    const unused = { id: first?.id ?? '', use: 'unused' as const, agoMs: 0 };
    const second = await askForPlaces(redis, prefix, asking(scope, 1_000, 1, [unused]));
    expect(second.live).toMatchObject([{ inMs: 0 }]);
    const ended = { id: second.live[0]?.id ?? '', use: 'ended' as const, agoMs: 0 };
    expect((await askForPlaces(redis, prefix, asking(scope, 2_000, 1, [ended]))).live).toHaveLength(1);
  });

  test('whose worker died is free again after half a minute', async () => {
    const { redis, prefix } = openStore();
    const scope = scopeOf(1);
    await askForPlaces(redis, prefix, asking(scope, 0, 1));
    expect((await askForPlaces(redis, prefix, asking(scope, 28_000, 1))).live).toEqual([]);
    expect((await askForPlaces(redis, prefix, asking(scope, 30_000, 1))).live).toHaveLength(1);
  });

  test('is not prolonged by who says twice that it has ended', async () => {
    const { redis, prefix } = openStore();
    const scope = scopeOf(1);
    const [first] = (await askForPlaces(redis, prefix, asking(scope, 0, 1))).live;
    const ended = { id: first?.id ?? '', use: 'ended' as const, agoMs: 0 };
    await askForPlaces(redis, prefix, asking(scope, 10, 0, [ended]));
    await askForPlaces(redis, prefix, asking(scope, 900, 0, [ended]));
    expect((await askForPlaces(redis, prefix, asking(scope, 1_010, 1))).live).toMatchObject([{ inMs: 0 }]);
  });

  test('and no more than the day has is given until midnight UTC, then the next day’s', async () => {
    const { redis, prefix } = openStore();
    const scope = scopeOf(100, 3);
    const evening = 24 * 3_600_000 - 5_000;
    const answer = await askForPlaces(redis, prefix, asking(scope, evening, 5));
    expect(answer).toMatchObject({ live: [{}, {}, {}], dayEndsInMs: { push: 5_000 } });
    expect(await askForPlaces(redis, prefix, asking(scope, evening + 4_000, 1))).toMatchObject({
      live: [],
      dayEndsInMs: { push: 1_000 },
    });
    const morning = await askForPlaces(redis, prefix, asking(scope, evening + 5_000, 1));
    expect(morning).toMatchObject({ live: [{}], dayEndsInMs: { push: undefined } });
  });

  test('and others than live pushes leave the last tenth of the day to those', async () => {
    const { redis, prefix } = openStore();
    const scope = scopeOf(100, 20);
    const all = { scope, ended: [], nowMs: virtualStart };
    const first = await askForPlaces(redis, prefix, { ...all, id: 'a', live: 1, backfill: 9 });
    expect(first).toMatchObject({ dayEndsInMs: { push: undefined, backfill: undefined } });
    const given = [first.backfill.length];
    for (let second = 1; second < 4; second += 1) {
      const ask = { ...all, id: `b${second}`, live: 0, backfill: 9, nowMs: virtualStart + second * 40_000 };
      given.push((await askForPlaces(redis, prefix, ask)).backfill.length);
    }
    expect(given.reduce((sum, count) => sum + count, 0)).toBe(17);
    const late = { ...all, id: 'c', live: 3, backfill: 1, nowMs: virtualStart + 200_000 };
    const last = await askForPlaces(redis, prefix, late);
    expect(last).toMatchObject({ live: [{}, {}], backfill: [] });
    expect(last.dayEndsInMs).toEqual({ push: expect.any(Number), backfill: expect.any(Number) });
  });

  test('is given as soon as before when the clock of another machine, an hour behind, takes over', async () => {
    const { redis, prefix } = openStore();
    const scope = scopeOf(1);
    const hour = 3_600_000;
    const [first] = (await askForPlaces(redis, prefix, asking(scope, hour, 1))).live;
    const ended = { id: first?.id ?? '', use: 'ended' as const, agoMs: 0 };
    expect((await askForPlaces(redis, prefix, asking(scope, 0, 1, [ended]))).live).toMatchObject([{ inMs: 1_000 }]);
  });

  test('of one account and region takes none from another', async () => {
    const { redis, prefix } = openStore();
    await askForPlaces(redis, prefix, asking(scopeOf(1), 0, 1));
    expect((await askForPlaces(redis, prefix, asking(scopeOf(1), 0, 1))).live).toHaveLength(1);
  });
});

describe('after a throttled call', () => {
  const ask = (
    store: ReturnType<typeof openStore>,
    scope: QuotaScope,
    nowMs: number,
    throttled: readonly string[] = [],
  ) =>
    askForPlaces(store.redis, store.prefix, {
      scope,
      id: `id-${nowMs}`,
      live: throttled.length === 0 ? 1 : 0,
      backfill: 0,
      ended: throttled.map((id) => ({ id, use: 'throttled' as const, agoMs: 0 })),
      nowMs: virtualStart + nowMs,
    });

  test('all go at 70 % and come back to the whole within six seconds', async () => {
    const [store, scope] = [openStore(), scopeOf(100)];
    expect((await ask(store, scope, 0)).perSecond).toBe(100);
    expect((await ask(store, scope, 10, ['id-0:1'])).perSecond).toBe(70);
    expect((await ask(store, scope, 2_010)).perSecond).toBe(80);
    expect((await ask(store, scope, 6_010)).perSecond).toBe(100);
    expect((await ask(store, scope, 60_000)).perSecond).toBe(100);
  });

  test('many throttled in one second count as one', async () => {
    const [store, scope] = [openStore(), scopeOf(100)];
    await ask(store, scope, 0);
    expect((await ask(store, scope, 10, ['id-0:1', 'x', 'y'])).perSecond).toBe(70);
    expect((await ask(store, scope, 500, ['z'])).perSecond).toBe(72);
    expect((await ask(store, scope, 1_010, ['z'])).perSecond).toBe(52);
  });

  test('the limit never falls below one call a second, however long it goes on', async () => {
    const [store, scope] = [openStore(), scopeOf(2)];
    for (let second = 1; second < 60; second += 1) await ask(store, scope, second * 1_000, ['x']);
    expect((await ask(store, scope, 60_000, ['x'])).perSecond).toBe(1);
    expect((await ask(store, scope, 90_000)).live).toHaveLength(1);
  });

  test('a KMS that grants less than the rules say is found out: few calls are throttled once it is', async () => {
    const calls = many(400).map((call, index) => ({ ...call, at: index, worker: index % 4 }));
    const granted: number[] = [];
    await runCalls(openStore(), calls, {
      scope: scopeOf(50),
      use: (receivedAt) => {
        if (granted.filter((at) => at > receivedAt - 1_000).length >= 25) return 'throttled';
        granted.push(receivedAt);
        return 'ended';
      },
    });
    expect(1 - granted.length / calls.length).toBeLessThan(0.2);
  });
});
