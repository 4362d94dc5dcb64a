import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { parseRedisAddress } from './redis-address.ts';

export interface ConnectionOptions {
  /**
   * `redis://` or `rediss://`, with several nodes of a cluster joined by commas (redis-address.ts); may hold a
   * password, so it is never logged.
   */
  readonly redisUrl: string;
  /** Called on every failure of the connection, also while it is being tried again. */
  readonly onError: (error: Error) => void;
}

/** What differs between those who connect. */
interface Profile {
  readonly node: Omit<RedisOptions, 'host' | 'port' | 'path' | 'retryStrategy' | 'enableOfflineQueue'>;
  readonly enableOfflineQueue: boolean;
  /** How often a command is sent again while a cluster finds out who holds its keys, a quarter of a second apart. */
  readonly clusterTries: number;
}

// Reconnects within about a second of Redis coming back, without hammering it while it is away.
const reconnectDelayMs = { step: 50, most: 1_000 };
// An address that swallows packets is given up after this time and tried again.
const connectTimeoutMs = 5_000;
// A connection whose commands never time out would wait for a frozen server's farewell for ever.
const farewellTimeoutMs = 1_000;
const clusterRetryMs = 250;
// A primary that died in silence is noticed by asking who holds its keys now.
const clusterRefreshMs = 2_000;

/**
 * Connects the process that adds jobs. It has to answer its own caller within a second, so nothing waits in line for
 * a connection: a command without one fails at once, a frozen server fails a command after 900 ms, and a socket that
 * gives nothing back for 5 s is replaced. The connection is tried again for ever.
 */
export function connectProducer(options: ConnectionOptions): RedisConnection {
  const node = { maxRetriesPerRequest: 1, commandTimeout: 900, socketTimeout: 5_000 };
  return connect(options, { node, enableOfflineQueue: false, clusterTries: 4 });
}

/**
 * Connects the process that works on jobs. BullMQ demands `maxRetriesPerRequest: null`: its blocking reads outlive a
 * restart of Redis, and the worker has nothing better to do than to wait for it.
 */
export function connectWorker(options: ConnectionOptions): RedisConnection {
  return connect(options, { node: { maxRetriesPerRequest: null }, enableOfflineQueue: true, clusterTries: 120 });
}

/**
 * Connects a worker's stores: locks, stored artifacts, baselines. A command that has no answer after five seconds
 * fails, so that a job ends and is tried again instead of holding its place while Redis is away.
 */
export function connectStore(options: ConnectionOptions): RedisConnection {
  const node = {
    maxRetriesPerRequest: 3,
    commandTimeout: 5_000,
    // A connection that swallows what is sent is replaced, long before TCP gives it up.
    socketTimeout: 10_000,
  };
  return connect(options, { node, enableOfflineQueue: true, clusterTries: 20 });
}

/** Ends a connection in order, or cuts it when the server does not answer within a second. */
export async function closeConnection(redis: RedisConnection): Promise<void> {
  const timer = setTimeout(() => redis.disconnect(), farewellTimeoutMs);
  try {
    if (redis.status === 'ready') await redis.quit();
  } catch {
    // A server that does not answer needs no farewell.
  }
  clearTimeout(timer);
  redis.disconnect();
}

function connect({ redisUrl, onError }: ConnectionOptions, profile: Profile): RedisConnection {
  const address = parseRedisAddress(redisUrl);
  const node = { connectTimeout: connectTimeoutMs, ...profile.node };
  const { enableOfflineQueue } = profile;
  if (address?.kind !== 'cluster') {
    const redis = new Redis(redisUrl, { ...node, retryStrategy, enableOfflineQueue });
    redis.on('error', onError);
    return redis;
  }
  const { username, password, tls } = address;
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  const cluster = new Cluster([...address.nodes], {
    ...clusterTimes,
    maxRedirections: profile.clusterTries,
    enableOfflineQueue,
    // As it stands: a certificate is held against the name, and each connection looks it up anew.
    dnsLookup: (host, done) => done(null, host),
    redisOptions: { ...node, ...login, ...(tls && { tls: {} }) },
  });
  cluster.on('error', onError);
  cluster.on('node error', onError);
  return cluster;
}

function retryStrategy(attempts: number): number {
  return Math.min(attempts * reconnectDelayMs.step, reconnectDelayMs.most);
}

const clusterTimes = {
  clusterRetryStrategy: retryStrategy,
  retryDelayOnFailover: clusterRetryMs,
  retryDelayOnClusterDown: clusterRetryMs,
  slotsRefreshTimeout: connectTimeoutMs,
  slotsRefreshInterval: clusterRefreshMs,
} satisfies ClusterOptions;
