import { Redis } from 'ioredis';

export interface ConnectionOptions {
  /** `redis://` or `rediss://`; may hold a password, so it is never logged. */
  readonly redisUrl: string;
  /** Called on every failure of the connection, also while it is being tried again. */
  readonly onError: (error: Error) => void;
}

// Reconnects within about a second of Redis coming back, without hammering it while it is away.
const reconnectDelayMs = { step: 50, most: 1_000 };
// An address that swallows packets is given up after this time and tried again.
const connectTimeoutMs = 5_000;
// A connection whose commands never time out would wait for a frozen server's farewell for ever.
const farewellTimeoutMs = 1_000;

/**
 * Connects the process that adds jobs. It has to answer its own caller within a second, so nothing waits in line for
 * a connection: a command without one fails at once, a frozen server fails a command after 900 ms, and a socket that
 * gives nothing back for 5 s is replaced. The connection is tried again for ever.
 */
export function connectProducer({ redisUrl, onError }: ConnectionOptions): Redis {
  const redis = new Redis(redisUrl, {
    connectTimeout: connectTimeoutMs,
    retryStrategy,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 900,
    socketTimeout: 5_000,
  });
  redis.on('error', onError);
  return redis;
}

/**
 * Connects the process that works on jobs. BullMQ demands `maxRetriesPerRequest: null`: its blocking reads outlive a
 * restart of Redis, and the worker has nothing better to do than to wait for it.
 */
export function connectWorker({ redisUrl, onError }: ConnectionOptions): Redis {
  const redis = new Redis(redisUrl, { connectTimeout: connectTimeoutMs, retryStrategy, maxRetriesPerRequest: null });
  redis.on('error', onError);
  return redis;
}

/**
 * Connects a worker's stores: locks, stored artifacts, baselines. A command that has no answer after five seconds
 * fails, so that a job ends and is tried again instead of holding its place while Redis is away.
 */
export function connectStore({ redisUrl, onError }: ConnectionOptions): Redis {
  const redis = new Redis(redisUrl, {
    connectTimeout: connectTimeoutMs,
    retryStrategy,
    maxRetriesPerRequest: 3,
    commandTimeout: 5_000,
    // A connection that swallows what is sent is replaced, long before TCP gives it up.
    socketTimeout: 10_000,
  });
  redis.on('error', onError);
  return redis;
}

/** Ends a connection in order, or cuts it when the server does not answer within a second. */
export async function closeConnection(redis: Redis): Promise<void> {
  const timer = setTimeout(() => redis.disconnect(), farewellTimeoutMs);
  try {
    if (redis.status === 'ready') await redis.quit();
  } catch {
    // A server that does not answer needs no farewell.
  }
  clearTimeout(timer);
  redis.disconnect();
}

function retryStrategy(attempts: number): number {
  return Math.min(attempts * reconnectDelayMs.step, reconnectDelayMs.most);
}
