import { setTimeout as sleep } from 'node:timers/promises';
import { closeConnection, connectWorker } from '../queue/connection.ts';
import type { QueuePlace, QueueSet } from '../queue/queue-set.ts';
import { createPlaces } from './places.ts';
import { type SignWorker, type SignWorkerOptions, startSignWorker } from './sign-worker.ts';

export interface SignWorkersOptions extends Pick<SignWorkerOptions, 'lockMs' | 'process' | 'logger' | 'metrics'> {
  readonly redisUrl: string;
  /** Told of every failure of the connection, also while it is being tried again. */
  readonly onRedisError: (error: Error) => void;
  readonly queues: QueueSet;
  /** Jobs at once in this process, over all queues. */
  readonly concurrency: number;
  /**
   * After this time without a job a queue of another count is left, in milliseconds: long enough that one which others
   * still fill from time to time is not left and taken up again all the while.
   */
  readonly leaveAfterMs: number;
}

export interface SignWorkers {
  /** Takes no new jobs, waits for the running ones up to the deadline, then leaves them to others. */
  close(options: { readonly timeoutMs: number }): Promise<void>;
}

interface Running {
  readonly worker: SignWorker;
  /** On the clock of `performance`. */
  readonly lastHeldAt: number;
}

const lookMs = 2_000;

/**
 * Works on every queue of the set, and on those that hold jobs because other processes count the queues otherwise, or
 * did before the number was changed, until they are empty. What runs at once is limited over all of them.
 */
export function startSignWorkers(options: SignWorkersOptions): SignWorkers {
  const { redisUrl, onRedisError, queues, concurrency, leaveAfterMs, logger } = options;
  const connection = connectWorker({ redisUrl, onError: onRedisError });
  const running = new Map<number, Running>();
  const stopping = new AbortController();
  const adjust = () => {
    for (const { worker } of running.values()) worker.adjust();
  };
  const places = createPlaces({ count: concurrency, onChange: adjust });

  function hold(queue: QueuePlace): void {
    const worker = running.get(queue.index)?.worker ?? startSignWorker({ ...options, connection, queue, places });
    running.set(queue.index, { worker, lastHeldAt: performance.now() });
    places.share(running.size);
  }

  async function look(): Promise<void> {
    const inUse = await queues.inUse();
    if (stopping.signal.aborted) return;
    for (const queue of inUse) {
      if (!running.has(queue.index)) logger.info({ queue: queue.prefix }, 'worker: works off a queue of another count');
      hold(queue);
    }
    for (const [index, { worker, lastHeldAt }] of running) {
      if (performance.now() - lastHeldAt < leaveAfterMs) continue;
      running.delete(index);
      places.share(running.size);
      logger.info({ queue: queues.at(index).prefix }, 'worker: leaves an empty queue of another count');
      await worker.close();
    }
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      // Without Redis there is nothing to find; the connection logs that.
      await look().catch(() => undefined);
      await sleep(lookMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  for (const queue of queues.current) hold(queue);
  const following = follow();
  return {
    close: async ({ timeoutMs }) => {
      stopping.abort();
      const finished = Promise.all([...running.values()].map(({ worker }) => worker.close()).concat(following));
      const deadline = AbortSignal.timeout(timeoutMs);
      const timedOut = new Promise<'late'>((resolve) => deadline.addEventListener('abort', () => resolve('late')));
      if ((await Promise.race([finished, timedOut])) === 'late') {
        logger.warn({ timeoutMs }, 'worker: running jobs did not end in time; another worker takes them over');
        connection.disconnect();
      }
      await closeConnection(connection);
    },
  };
}
