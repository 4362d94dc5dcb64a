import { createHash } from 'node:crypto';
import type { RedisConnection } from './redis-connection.ts';

/**
 * Prefixes that the keys of a cluster are spread over. For good: another number would look for today's keys where they
 * are not. It has nothing to do with the number of queues, which may change while processes with the old one still run:
 * both must find the same lock, the same stored artifact and the same mark.
 */
const shardsMax = 64;

/** `{autosign-0}` → `{autosign-7}`; what stands in the braces decides on the hash slot. The first prefix is `first` itself. */
export function prefixAt(first: string, index: number): string {
  return index === 0 ? first : first.replace(/(?:-0)?\}$/, `-${index}}`);
}

/** Which of `count` places `name` belongs to: evenly spread, and the same in every process and release. */
export function placeOf(name: string, count: number): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % count;
}

/** The prefix of what is kept for `name`: on a cluster one of many, in one Redis always the first. */
export function shardPrefix(redis: RedisConnection, first: string, name: string): string {
  return redis.isCluster ? prefixAt(first, placeOf(name, shardsMax)) : first;
}

/** Every prefix that `shardPrefix` may answer. */
export function shardPrefixes(redis: RedisConnection, first: string): readonly string[] {
  return redis.isCluster ? Array.from({ length: shardsMax }, (_, index) => prefixAt(first, index)) : [first];
}
