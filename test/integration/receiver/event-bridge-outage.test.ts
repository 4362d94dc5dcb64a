import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { type RunningRedis, startRedis } from '../../../infra/processes/start-redis.ts';
import {
  type EventBridgeReceiver,
  image,
  instanceId,
  openEventBridgeReceiver,
  untilConnected,
} from './event-bridge-setup.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(port?: number): Promise<RunningRedis> {
  const redis = await startRedis({ appendOnly: false, ...(port !== undefined && { port }) });
  cleanups.push(() => redis.stop());
  return redis;
}

async function open(redisUrl: string): Promise<EventBridgeReceiver> {
  const receiver = await openEventBridgeReceiver({ redisUrl });
  cleanups.push(() => receiver.close());
  return receiver;
}

describe('without Redis an event is answered with 503, so that it is sent again, and is not remembered', () => {
  test('when it is a push: it is queued when it comes again', async () => {
    const port = await freePort();
    const receiver = await open(`redis://127.0.0.1:${port}`);
    const delivery = receiver.sign();
    const refused = await receiver.send(delivery);
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5']);
    expect(receiver.unconfirmed).toEqual(['prod']);
    await start(port);
    await untilConnected(receiver);
    const again = await receiver.send(delivery);
    expect([again.statusCode, again.json().queued]).toEqual([202, true]);
  });

  test('when it does not say which image: a reconcile is asked for when it comes again', async () => {
    const port = await freePort();
    const receiver = await open(`redis://127.0.0.1:${port}`);
    const delivery = receiver.sign(receiver.eventBridge.event(image, { data: { InstanceId: instanceId } }));
    expect((await receiver.send(delivery)).statusCode).toBe(503);
    expect(receiver.unconfirmed).toEqual(['prod']);
    expect(receiver.reconciles).toEqual([]);
    await start(port);
    await untilConnected(receiver);
    expect((await receiver.send(delivery)).statusCode).toBe(202);
    expect(receiver.reconciles).toEqual(['prod']);
  });
});

test('a Redis that takes the question and not the job answers 503, and the event is not remembered', async () => {
  const redis = await start();
  const receiver = await open(redis.url);
  const delivery = receiver.sign();
  await untilConnected(receiver);
  await receiver.redis.config('SET', 'maxmemory', '1');
  expect((await receiver.send(delivery)).statusCode).toBe(503);
  expect(receiver.unconfirmed).toContain('prod');
  await receiver.redis.config('SET', 'maxmemory', '0');
  expect(await receiver.redis.keys(`${receiver.prefix}:seen-event:*`)).toEqual([]);
  expect((await receiver.send(delivery)).json()).toMatchObject({ queued: true });
});

test('a Redis that takes the job and nothing more answers 202: at worst the event is queued again', async () => {
  const redis = await start();
  const receiver = await open(redis.url);
  const delivery = receiver.sign();
  await untilConnected(receiver);
  const { prefix } = receiver;
  const writable = [`~${prefix}:sign:*`, `~${prefix}:pushed:*`];
  await receiver.redis.call('ACL', 'SETUSER', 'default', 'resetkeys', ...writable, `%R~${prefix}:*`);
  expect((await receiver.send(delivery)).json()).toMatchObject({ queued: true });
  await receiver.redis.call('ACL', 'SETUSER', 'default', 'allkeys');
  expect(await receiver.redis.keys(`${prefix}:seen-event:*`)).toEqual([]);
  expect((await receiver.send(delivery)).json()).toMatchObject({ queued: true });
});
