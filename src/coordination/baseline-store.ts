import { randomUUID } from 'node:crypto';
import { type Digest, isDigest } from '../domain/digest.ts';
import type { BaselineStore, TaggedImage } from '../ports/baseline.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';
import { markField, marksKeys } from './redis-keys.ts';

// Beside the images, so that it is lost with them; their fields have a colon.
const walkField = 'walk';

// A walk that is slower than another one must not enter what was pushed after the baseline was complete.
const enterScript = `if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end`;

// One step, so that no push can be announced between the last look at the marks and the completion. The marks of a
// cluster's other hash slots were read just before and come from ARGV[4] on: to them the baseline was complete then. A
// mark that outlived ARGV[2] belongs to a job that was lost or given up long ago. A walk that is slower than another
// one must not take out what is pushed again after the baseline was complete.
const completeScript = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('HGET', KEYS[1], '${walkField}') ~= ARGV[3] then return 0 end
local marks = redis.call('HGETALL', KEYS[3])
for i = 1, #marks, 2 do
  local at = tonumber(string.match(marks[i + 1], '^%d+'))
  if at and at >= tonumber(ARGV[2]) then redis.call('HDEL', KEYS[1], marks[i]) else redis.call('HDEL', KEYS[3], marks[i]) end
end
for i = 4, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('SET', KEYS[2], ARGV[1])
return 1`;

// What completeScript does with the marks beside it, for those that are elsewhere: answers the ones that count.
const countingMarksScript = `
local counting = {}
local marks = redis.call('HGETALL', KEYS[1])
for i = 1, #marks, 2 do
  local at = tonumber(string.match(marks[i + 1], '^%d+'))
  if at and at >= tonumber(ARGV[1]) then counting[#counting + 1] = marks[i] else redis.call('HDEL', KEYS[1], marks[i]) end
end
return counting`;

const beginScript = `
redis.call('HSETNX', KEYS[1], '${walkField}', ARGV[1])
return redis.call('HGET', KEYS[1], '${walkField}')`;

const standingScript = `
if redis.call('EXISTS', KEYS[2]) == 0 then return 'preparing' end
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return 'existing' end
return 'new'`;

// One step: what a walk that follows a loss of the data enters must not be taken out by a word from before it. Another
// digest under the tag stays, as nobody has asked for that one.
const admitScript = `
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1`;

// Longer than a key stays paused in any incident; what is older belongs to a job that was lost.
const markLifetimeMs = 90 * 24 * 3600 * 1000;
const scanCount = 500;

/** Baselines in Redis: one hash a rule and registry, and a key that says it is complete. */
export function createBaselineStore({
  redis,
  prefix,
}: {
  readonly redis: RedisConnection;
  readonly prefix: string;
}): BaselineStore {
  const imagesKey = (rule: string, registry: string) => `${prefix}:baseline:${rule}:${registry}`;
  const completeKey = (rule: string, registry: string) => `${prefix}:baseline-complete:${rule}:${registry}`;

  return {
    isComplete: async (rule, registry) =>
      (await askRedis('tell whether a baseline is complete', () => redis.exists(completeKey(rule, registry)))) === 1,
    standing: async (rule, image, digest) => {
      const keys = [imagesKey(rule, image.registry), completeKey(rule, image.registry)];
      const standing = await askRedis('read a baseline', () =>
        redis.eval(standingScript, keys.length, ...keys, markField(image), digest),
      );
      return standing === 'existing' || standing === 'new' ? standing : 'preparing';
    },
    begin: async (rule, registry) =>
      String(
        await askRedis('begin a baseline', () => redis.eval(beginScript, 1, imagesKey(rule, registry), randomUUID())),
      ),
    enter: async (rule, image: TaggedImage, digest) => {
      const keys = [imagesKey(rule, image.registry), completeKey(rule, image.registry)];
      await askRedis('enter an image in a baseline', () =>
        redis.eval(enterScript, keys.length, ...keys, markField(image), digest),
      );
    },
    complete: async (rule, registry, walk) => {
      const [marks, ...elsewhere] = marksKeys(redis, prefix, registry);
      const keys = [imagesKey(rule, registry), completeKey(rule, registry), marks];
      const now = Date.now();
      const oldest = String(now - markLifetimeMs);
      const completed = await askRedis('complete a baseline', async () => {
        const pushed = await Promise.all(elsewhere.map((key) => redis.eval(countingMarksScript, 1, key, oldest)));
        const args = [new Date(now).toISOString(), oldest, walk, ...pushed.flat().map(String)];
        return redis.eval(completeScript, keys.length, ...keys, ...args);
      });
      return completed === 1;
    },
    admit: async (rule, image, digest) => {
      const keys = [imagesKey(rule, image.registry), completeKey(rule, image.registry)];
      const admitted = await askRedis('take an image out of a baseline', () =>
        redis.eval(admitScript, keys.length, ...keys, markField(image), digest),
      );
      return admitted === 1;
    },
    entries: (rule, registry) => scanHash(redis, imagesKey(rule, registry)),
  };
}

async function* scanHash(redis: RedisConnection, key: string): AsyncIterable<readonly [string, Digest]> {
  let cursor = '0';
  do {
    const [next, fields] = await askRedis('list a baseline', () => redis.hscan(key, cursor, 'COUNT', scanCount));
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const [image, digest] = [fields[i], fields[i + 1]];
      if (image !== undefined && isDigest(digest)) yield [image, digest];
    }
    cursor = next;
  } while (cursor !== '0');
}
