import { readFile } from 'node:fs/promises';
import { Queue } from 'bullmq';
import type { FastifyPluginAsync } from 'fastify';
import { createReconcileSchedule } from '../coordination/reconcile-schedule.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createAllowedHosts } from '../dashboard/allowed-hosts.ts';
import { createDashboard } from '../dashboard/dashboard.ts';
import { dashboardLimits } from '../dashboard/dashboard-limits.ts';
import { openUserSource, type UserSource } from '../dashboard/user-source.ts';
import type { AuditLog } from '../observability/audit.ts';
import type { Logger } from '../observability/logger.ts';
import { systemClock } from '../ports/clock.ts';
import { createAllDeadLetters } from '../queue/all-dead-letters.ts';
import { createFinishedJobs } from '../queue/finished-jobs.ts';
import { signQueueName } from '../queue/job-options.ts';
import { countsByState, createQueueDepths } from '../queue/queue-depth.ts';
import type { QueueSet } from '../queue/queue-set.ts';
import { createSignQueues } from '../queue/sign-queues.ts';
import type { Desired } from '../worker/desired.ts';
import type { WorkerHealth } from '../worker/worker-health.ts';
import { registriesToWalk } from './reconcile-loop.ts';
import type { Settings } from './settings.ts';

export interface OpenDashboardOptions {
  readonly settings: Pick<Settings, 'adminHost' | 'opsUrl'>;
  readonly users: UserSource;
  readonly redis: RedisConnection;
  /** Of what is not spread over the queues. */
  readonly prefix: string;
  readonly queues: QueueSet;
  readonly desired: () => Pick<Desired, 'ruleSet'>;
  readonly health: () => Promise<WorkerHealth>;
  readonly audit: AuditLog;
  readonly logger: Logger;
}

export interface OpenDashboard {
  readonly pages: FastifyPluginAsync;
  close(): Promise<void>;
}

// One step with Redis; somebody waits for the page.
const stepTimeoutMs = 3_000;

/**
 * Reads the users file, before anything else is begun.
 * @throws AutosignError `settings-invalid`
 */
export function openUsers(file: string, logger: Logger): Promise<UserSource> {
  return openUserSource({
    file,
    readTextFile: (path) => readFile(path, 'utf8'),
    clock: systemClock,
    onRefused: (err) => logger.error({ err }, 'ops: the users file is refused, the last good users stay'),
  });
}

/** The operators' pages of a worker, on a connection of its stores. */
export function openDashboard(options: OpenDashboardOptions): OpenDashboard {
  const { settings, redis, prefix, queues, desired } = options;
  const shared = { redis, queues, timeoutMs: stepTimeoutMs };
  const queue = createSignQueues(shared);
  const deadLetters = createAllDeadLetters({ ...shared, queue, now: () => systemClock.now() });
  const depths = createQueueDepths(shared);
  const finished = createFinishedJobs({
    redis,
    prefixes: queues.current.map((place) => place.prefix),
    timeoutMs: stepTimeoutMs,
  });
  const schedule = createReconcileSchedule({ redis, prefix });
  const boards = queues.current.map((place) => openBoard(redis, place.prefix));
  const pages = createDashboard({
    ...options,
    hosts: createAllowedHosts({ adminHost: settings.adminHost, publicUrl: settings.opsUrl }),
    jobCounts: async () => countsByState(await depths.read()),
    walkedRegistries: () =>
      Promise.all(
        registriesToWalk(desired()).map(async (registry) => ({ registry, run: await schedule.lastRun(registry) })),
      ),
    deadLetters,
    finished,
    queues: boards,
    clock: systemClock,
    limits: dashboardLimits,
  });
  return {
    pages,
    close: async () => {
      await Promise.all([...boards, finished, depths, deadLetters].map((part) => part.close()));
      await queue.close();
    },
  };
}

function openBoard(redis: RedisConnection, prefix: string): Queue {
  const board = new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  board.on('error', () => undefined);
  return board;
}
