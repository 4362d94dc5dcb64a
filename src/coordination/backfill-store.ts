import { z } from 'zod';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

/** What a backfill counts, of images. */
export interface BackfillCounts {
  /** Looked at. */
  readonly tags: number;
  /** Lacked a signature and have a job. */
  readonly queued: number;
  /** Of those queued: the worker signed them, or found them signed. */
  readonly signed: number;
  /** Need no signature of this backfill: signed before, no image, denied, too old. */
  readonly skipped: number;
  /** Of those queued: dead letters. */
  readonly failed: number;
  /** Of those queued: they do not tell when they were built. */
  readonly undated: number;
}

/** A backfill that has begun and is not finished, as it is kept. */
export interface KeptBackfill {
  readonly startedAt: Date;
  /** What was built before this is skipped. */
  readonly since: Date | undefined;
  readonly counts: BackfillCounts;
  /** Names of what was looked at. */
  readonly walked: ReadonlySet<string>;
  /** Jobs whose end is not known yet: name of the image, id of the job. */
  readonly pending: ReadonlyMap<string, string>;
  /** Name of the image, error code. */
  readonly failures: ReadonlyMap<string, string>;
}

/** What changes in one step. */
export interface BackfillChange {
  /** Added to the counts. */
  readonly counts?: Partial<BackfillCounts>;
  readonly walked?: readonly string[];
  /** Names that others among `walked` stand for from now on. */
  readonly unwalked?: readonly string[];
  readonly pending?: readonly (readonly [image: string, job: string])[];
  /** Images whose jobs have ended. */
  readonly ended?: readonly string[];
  readonly failures?: readonly (readonly [image: string, code: string])[];
}

/**
 * Unfinished backfills, by selection. They are kept where the queue and the baselines are, so that they are lost with
 * them: a record of jobs that outlived the jobs would leave images out. One writer at a time, who holds a lease.
 * Every operation throws AutosignError `redis-unreachable`.
 */
export interface BackfillStore {
  load(id: string): Promise<KeptBackfill | undefined>;
  /** Forgets what was kept under this id and begins anew. */
  begin(id: string, kept: Pick<KeptBackfill, 'startedAt' | 'since'>): Promise<void>;
  save(id: string, change: BackfillChange): Promise<void>;
  forget(id: string): Promise<void>;
}

export const noCounts: BackfillCounts = { tags: 0, queued: 0, signed: 0, skipped: 0, failed: 0, undated: 0 };

/** Of a run that has just begun. */
export const nothingKept: Pick<KeptBackfill, 'counts' | 'walked' | 'pending' | 'failures'> = {
  counts: noCounts,
  walked: new Set(),
  pending: new Map(),
  failures: new Map(),
};

const count = z.coerce.number().int().nonnegative().default(0);
const moment = z.iso.datetime().transform((text) => new Date(text));
const Run = z.object({
  startedAt: moment,
  since: moment.optional(),
  tags: count,
  queued: count,
  signed: count,
  skipped: count,
  failed: count,
  undated: count,
});

// A backfill that nobody went on with for a month is as good as forgotten.
const keepMs = 30 * 24 * 3600 * 1000;

export function createBackfillStore({
  redis,
  prefix,
}: {
  readonly redis: RedisConnection;
  readonly prefix: string;
}): BackfillStore {
  const keysOf = (id: string) => {
    const run = `${prefix}:backfill:${id}`;
    return { run, walked: `${run}:walked`, pending: `${run}:pending`, failures: `${run}:failures` };
  };
  type Step = (multi: ReturnType<RedisConnection['multi']>, keys: ReturnType<typeof keysOf>) => void;

  /** All of it or nothing: whoever is killed leaves no job that is not counted, and no count without its job. */
  async function inOneStep(id: string, step: Step): Promise<void> {
    const keys = keysOf(id);
    await askRedis('keep the progress of a backfill', async () => {
      const multi = redis.multi();
      step(multi, keys);
      for (const key of Object.values(keys)) multi.pexpire(key, keepMs);
      const answers = await multi.exec();
      const refused = answers?.find(([error]) => error !== null)?.[0];
      if (answers === null || refused) throw refused ?? new Error('the transaction was discarded');
    });
  }

  return {
    load: async (id) => {
      const keys = keysOf(id);
      const [run, walked, pending, failures] = await askRedis('tell the progress of a backfill', () =>
        Promise.all([
          redis.hgetall(keys.run),
          redis.smembers(keys.walked),
          redis.hgetall(keys.pending),
          redis.hgetall(keys.failures),
        ]),
      );
      // What cannot be read, written by another release or half of it after a loss of data, is no run to go on with.
      const parsed = Run.safeParse(run);
      if (!parsed.success) return undefined;
      const { startedAt, since, ...counts } = parsed.data;
      return {
        startedAt,
        since,
        counts,
        walked: new Set(walked),
        pending: new Map(Object.entries(pending)),
        failures: new Map(Object.entries(failures)),
      };
    },
    begin: (id, { startedAt, since }) =>
      inOneStep(id, (multi, keys) => {
        multi.del(...Object.values(keys));
        multi.hset(keys.run, 'startedAt', startedAt.toISOString());
        if (since !== undefined) multi.hset(keys.run, 'since', since.toISOString());
      }),
    save: (id, { counts = {}, walked = [], unwalked = [], pending = [], ended = [], failures = [] }) =>
      inOneStep(id, (multi, keys) => {
        for (const [name, added] of Object.entries(counts)) multi.hincrby(keys.run, name, added);
        if (walked.length > 0) multi.sadd(keys.walked, ...walked);
        if (unwalked.length > 0) multi.srem(keys.walked, ...unwalked);
        if (pending.length > 0) multi.hset(keys.pending, Object.fromEntries(pending));
        if (ended.length > 0) multi.hdel(keys.pending, ...ended);
        if (failures.length > 0) multi.hset(keys.failures, Object.fromEntries(failures));
      }),
    forget: (id) => inOneStep(id, (multi, keys) => void multi.del(...Object.values(keys))),
  };
}
