import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createConfirm } from './confirmation.ts';
import { primariesOf } from './primaries.ts';

/** What a server of Redis says of itself in INFO; undefined is what it does not say. */
export interface RedisServerFacts {
  readonly server: string;
  readonly version: string | undefined;
  readonly evictionPolicy: string | undefined;
  readonly appendOnly: boolean | undefined;
}

/**
 * Asks every server that holds data: one, or the primaries of a cluster.
 * @param timeoutMs how long all of them may take together
 * @throws AutosignError `redis-unreachable`
 */
export function readRedisFacts(redis: RedisConnection, timeoutMs: number): Promise<readonly RedisServerFacts[]> {
  const confirm = createConfirm(redis, timeoutMs);
  return confirm(async () => {
    // A cluster knows its primaries once it has answered anything.
    await redis.exists('x');
    return Promise.all(
      primariesOf(redis).map(async (server) => {
        const { path, host, port } = server.options;
        return { server: path ?? `${host}:${port}`, ...parseInfo(await server.info()) };
      }),
    );
  });
}

/** The time of the server that answers. @throws AutosignError `redis-unreachable` */
export function readRedisTime(redis: RedisConnection, timeoutMs: number): Promise<Date> {
  return createConfirm(
    redis,
    timeoutMs,
  )(async () => {
    await redis.exists('x');
    const [server = redis] = primariesOf(redis);
    const [seconds = 0, microseconds = 0] = (await server.time()).map(Number);
    return new Date(seconds * 1_000 + microseconds / 1_000);
  });
}

function parseInfo(text: string): Omit<RedisServerFacts, 'server'> {
  const fields = new Map(
    text.split(/\r?\n/).flatMap((line): (readonly [string, string])[] => {
      const at = line.indexOf(':');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
    }),
  );
  const appendOnly = fields.get('aof_enabled');
  return {
    version: fields.get('redis_version'),
    evictionPolicy: fields.get('maxmemory_policy'),
    appendOnly: appendOnly === undefined ? undefined : appendOnly === '1',
  };
}
