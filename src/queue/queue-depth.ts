import { Queue } from 'bullmq';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createConfirm } from './confirmation.ts';
import { signQueueName } from './job-options.ts';
import { perQueue } from './per-queue.ts';
import type { QueueSet } from './queue-set.ts';

/** Jobs of one lane in one state, over all queues. */
interface LaneDepth {
  /** `unknown`: a stranger's, or one of more than a thousand that are not looked at one by one. */
  readonly lane: 'push' | 'backfill' | 'unknown';
  /** `delayed`: asleep, or between two attempts. */
  readonly state: 'waiting' | 'active' | 'delayed';
  readonly count: number;
}

interface QueueDepth {
  readonly lanes: readonly LaneDepth[];
  readonly deadLetters: number;
}

export interface QueueDepths {
  /** @throws AutosignError `redis-unreachable` */
  read(): Promise<QueueDepth>;
  close(): Promise<void>;
}

export interface QueueDepthsOptions {
  readonly redis: RedisConnection;
  readonly queues: QueueSet;
  /** How long Redis may take for one queue, in milliseconds. */
  readonly timeoutMs: number;
}

// A scrape must not read a hundred thousand jobs; far more than a deployment runs at once.
const lookedAtMax = 1_000;

/** The connection stays with whoever made it. */
export function createQueueDepths({ redis, queues, timeoutMs }: QueueDepthsOptions): QueueDepths {
  const confirm = createConfirm(redis, timeoutMs);
  const opened = perQueue((prefix) => openQueue(redis, prefix));
  return {
    read: async () => {
      const places = await queues.inUse();
      return sumOf(await Promise.all(places.map((place) => confirm(() => opened.at(place).read()))));
    },
    close: opened.close,
  };
}

/** Jobs by the states of BullMQ, both lanes together; the dead letters are `failed`. */
export function countsByState({ lanes, deadLetters }: QueueDepth): Readonly<Record<string, number>> {
  const sum = (state: LaneDepth['state'], lane?: LaneDepth['lane']) =>
    lanes
      .filter((depth) => depth.state === state && (lane === undefined || depth.lane === lane))
      .reduce((total, { count }) => total + count, 0);
  return {
    waiting: sum('waiting', 'push'),
    prioritized: sum('waiting', 'backfill'),
    active: sum('active'),
    delayed: sum('delayed'),
    failed: deadLetters,
  };
}

function openQueue(redis: RedisConnection, prefix: string) {
  const queue = new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  queue.on('error', () => undefined);

  async function byLane(state: 'active' | 'delayed', total: number): Promise<readonly LaneDepth[]> {
    const key = queue.toKey(state);
    const ids = await (state === 'active'
      ? redis.lrange(key, 0, lookedAtMax - 1)
      : redis.zrange(key, 0, lookedAtMax - 1));
    // A job is named after its lane: see sign-queue.ts.
    const names = await Promise.all(ids.map((id) => redis.hget(queue.toKey(id), 'name')));
    const countOf = (lane: LaneDepth['lane']) => names.filter((name) => name === lane).length;
    const known = (['push', 'backfill'] as const).map((lane) => ({ lane, state, count: countOf(lane) }));
    const unknown = total - known.reduce((sum, { count }) => sum + count, 0);
    return [...known, { lane: 'unknown', state, count: Math.max(0, unknown) }];
  }

  return {
    read: async (): Promise<QueueDepth> => {
      const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed');
      const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
      return {
        lanes: [
          { lane: 'push', state: 'waiting', count: waiting },
          // What has a priority is behind the live pushes: see signJobOptions.
          { lane: 'backfill', state: 'waiting', count: prioritized },
          ...(await byLane('active', active)),
          ...(await byLane('delayed', delayed)),
        ],
        deadLetters: failed,
      };
    },
    close: () => queue.close(),
  };
}

function sumOf(depths: readonly QueueDepth[]): QueueDepth {
  const lanes = new Map<string, LaneDepth>();
  for (const depth of depths.flatMap((each) => each.lanes)) {
    const key = `${depth.lane} ${depth.state}`;
    lanes.set(key, { ...depth, count: depth.count + (lanes.get(key)?.count ?? 0) });
  }
  return {
    lanes: [...lanes.values()],
    deadLetters: depths.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
  };
}
