import { z } from 'zod';
import type { CapturedDelivery, DeliveryCapture, DeliveryWish } from '../ports/delivery-capture.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

interface CaptureOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
}

/** How old a receiver's knowledge may be of whether somebody wants to see deliveries, in milliseconds. */
export const wishLookedForEveryMs = 2_000;
/** No wish stands longer, nor what was kept for it. */
const wishLastsMsMax = 600_000;
const keptMax = 50;
// At once in one process: whoever floods a door must not fill the memory with copies of what he sends.
const underwayMax = 20;
const wishTextMax = 255;

// Only while the wish stands, so that nothing is left when it was ended.
const keepScript = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1`;

const endScript = `redis.call('DEL', KEYS[1], KEYS[2])`;

/**
 * Keeps deliveries in Redis while a wish for them stands there. Without one it costs a question every two seconds, and
 * that only when a delivery comes. A stranger who can write to Redis can cause copies that end by themselves, no more.
 */
export function createDeliveryCapture({ redis, prefix }: CaptureOptions): DeliveryCapture {
  const looks = new Map<string, { readonly at: number; readonly text: Promise<string | undefined> }>();
  let underway = 0;

  function wished(registry: string): Promise<string | undefined> {
    const known = looks.get(registry);
    if (known !== undefined && performance.now() - known.at < wishLookedForEveryMs) return known.text;
    const text = redis.get(wishKey(prefix, registry)).then((found) => found?.slice(0, wishTextMax));
    looks.set(registry, { at: performance.now(), text });
    return text;
  }

  async function keep(registry: string, read: () => CapturedDelivery): Promise<void> {
    const text = await wished(registry);
    if (text === undefined) return;
    const delivery = read();
    if (!delivery.body.includes(text)) return;
    const keys = [wishKey(prefix, registry), keptKey(prefix, registry)];
    await redis.eval(keepScript, keys.length, ...keys, JSON.stringify(delivery), keptMax, wishLastsMsMax);
  }

  return {
    offer(registry, read) {
      // Nothing waits for a Redis that is away.
      if (redis.status !== 'ready' || underway >= underwayMax) return;
      underway += 1;
      void keep(registry, read)
        .catch(() => looks.delete(registry))
        .finally(() => {
          underway -= 1;
        });
    },
  };
}

/** Wishes in Redis: a key with a lifetime, and a list that receivers append to. */
export function createDeliveryWish({ redis, prefix }: CaptureOptions): DeliveryWish {
  return {
    async begin(registry, text, forMs) {
      const lifeMs = Math.min(Math.max(1, Math.round(forMs)), wishLastsMsMax);
      const made = await askRedis('ask for deliveries', () =>
        redis.set(wishKey(prefix, registry), text, 'PX', lifeMs, 'NX'),
      );
      return made === 'OK';
    },
    async read(registry) {
      const kept = await askRedis('give the deliveries', () => redis.lrange(keptKey(prefix, registry), 0, keptMax - 1));
      return kept.flatMap(parseDelivery);
    },
    async end(registry) {
      const keys = [wishKey(prefix, registry), keptKey(prefix, registry)];
      await askRedis('forget the deliveries', () => redis.eval(endScript, keys.length, ...keys));
    },
  };
}

function wishKey(prefix: string, registry: string): string {
  return `${prefix}:capture-wish:${registry}`;
}

function keptKey(prefix: string, registry: string): string {
  return `${prefix}:captured:${registry}`;
}

const StoredDelivery = z.object({
  door: z.enum(['acr', 'event-bridge']),
  arrivedAt: z.iso.datetime(),
  from: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  signedForm: z.enum(['body', 'body-and-line-feed']).optional(),
});

/** Anybody may have written it; what no receiver of this release writes is left out. */
function parseDelivery(text: string): readonly CapturedDelivery[] {
  try {
    return [StoredDelivery.parse(JSON.parse(text))];
  } catch {
    return [];
  }
}
