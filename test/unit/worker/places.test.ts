import { describe, expect, test } from 'vitest';
import { createPlaces } from '../../../src/worker/places.ts';

/** Places, and jobs that hold one until the test ends them. */
function open(count: number, queues: number) {
  const changes: number[] = [];
  const places = createPlaces({ count, onChange: () => changes.push(1) });
  places.share(queues);
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (queue: string, name: string, lane = 'push') => {
    const held = places.hold(queue, lane, async () => {
      running.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      running.splice(running.indexOf(name), 1);
    });
    return held;
  };
  const begun = async () => {
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    return [...running].sort();
  };
  /** Ends a job once it runs. */
  const end = async (name: string) => {
    await begun();
    ends.get(name)?.();
  };
  return { places, take, end, begun, changes };
}

describe('places', () => {
  test('let run as many as there are, over all queues', async () => {
    const { take, begun, end } = open(2, 2);
    for (const name of ['a1', 'a2']) void take('a', name);
    for (const name of ['b1', 'b2']) void take('b', name);
    expect(await begun()).toEqual(['a1', 'a2']);
    await end('a1');
    expect(await begun()).toEqual(['a2', 'b1']);
  });

  test('are given back by a job that fails', async () => {
    const { places, take, begun } = open(1, 1);
    await expect(places.hold('a', 'push', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    void take('a', 'a1');
    expect(await begun()).toEqual(['a1']);
    expect(places.limitOf('a')).toBe(1);
  });

  test('go to live pushes first, whichever queue they are in', async () => {
    const { take, begun, end } = open(1, 3);
    void take('a', 'first');
    void take('b', 'backfill', 'backfill');
    void take('b', 'nonsense', 'no lane');
    void take('c', 'push');
    await end('first');
    expect(await begun()).toEqual(['push']);
    await end('push');
    expect(await begun()).toEqual(['backfill']);
  });

  test('go to whoever waits longest every fourth time, so that a backfill job does not wait for ever', async () => {
    const { take, begun, end } = open(1, 2);
    void take('a', 'p0');
    void take('b', 'backfill', 'backfill');
    for (const name of ['p1', 'p2', 'p3', 'p4', 'p5']) void take('a', name);
    const order: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      const [name = ''] = await begun();
      order.push(name);
      await end(name);
    }
    expect(order).toEqual(['p0', 'p1', 'p2', 'p3', 'backfill', 'p4']);
  });
});

describe('a queue may take', () => {
  test('all places while the others have nothing', () => {
    expect(open(16, 4).places.limitOf('a')).toBe(16);
  });

  test('what the others leave', () => {
    const { places, take } = open(16, 4);
    for (const name of ['1', '2', '3', '4', '5']) void take('a', name);
    expect(places.limitOf('b')).toBe(11);
    expect(places.limitOf('a')).toBe(16);
  });

  test('its share at least, however much the others have taken', () => {
    const { places, take } = open(16, 4);
    for (let index = 0; index < 16; index += 1) void take('a', String(index));
    expect(places.limitOf('b')).toBe(4);
    places.share(32);
    expect(places.limitOf('b')).toBe(1);
  });

  test('more once others have ended, which is told', async () => {
    const { places, take, end, begun, changes } = open(2, 2);
    void take('a', 'a1');
    void take('a', 'a2');
    await begun();
    expect(places.limitOf('b')).toBe(1);
    const before = changes.length;
    await end('a1');
    await begun();
    expect(changes.length).toBeGreaterThan(before);
    await end('a2');
    await begun();
    expect(places.limitOf('b')).toBe(2);
  });
});
