import type { TaggedImage } from '../ports/baseline.ts';
import type { RedisConnection } from './redis-connection.ts';
import { shardPrefix, shardPrefixes } from './shards.ts';

/** The hash of the pushes that are under way in one registry: on a cluster one of many, by repository. */
export function marksKey(redis: RedisConnection, prefix: string, image: Omit<TaggedImage, 'tag'>): string {
  return marksKeyBelow(shardPrefix(redis, prefix, `${image.registry}:${image.repository}`), image.registry);
}

/** Every hash that holds pushes of one registry; the first one stands beside its baselines. */
export function marksKeys(redis: RedisConnection, prefix: string, registry: string): readonly [string, ...string[]] {
  const [first = prefix, ...others] = shardPrefixes(redis, prefix);
  return [marksKeyBelow(first, registry), ...others.map((other) => marksKeyBelow(other, registry))];
}

function marksKeyBelow(prefix: string, registry: string): string {
  return `${prefix}:pushed:${registry}`;
}

/** Neither repository names nor tags hold a colon, so the field is unambiguous. */
export function markField(image: Pick<TaggedImage, 'repository' | 'tag'>): string {
  return `${image.repository}:${image.tag}`;
}
