import type { Cluster, Redis } from 'ioredis';

/** A connection to one Redis, or to a Redis Cluster. */
export type RedisConnection = Cluster | Redis;
