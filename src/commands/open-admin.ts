import type { RedisConnection } from '../coordination/redis-connection.ts';
import type { AuditLog } from '../observability/audit.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { systemClock } from '../ports/clock.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import type { QueueSet } from '../queue/queue-set.ts';
import { createWorkerHealth } from '../receiver/worker-health.ts';
import type { RuleSource } from '../rules/rule-source.ts';
import { withPauses } from '../worker/paused-keys.ts';
import { createPausedSince, type PausedSince } from '../worker/paused-since.ts';
import type { Pauses } from '../worker/pauses.ts';
import type { WorkerHealth } from '../worker/worker-health.ts';
import type { BaselineLoop } from './baseline-loop.ts';
import type { DesiredState } from './desired-state.ts';
import { listen } from './listen.ts';
import type { OpenDashboard, OpenDashboardOptions } from './open-dashboard.ts';
import type { Settings } from './settings.ts';

export interface OpenAdminOptions {
  readonly settings: Settings;
  readonly redis: RedisConnection;
  readonly prefix: string;
  readonly queues: QueueSet;
  readonly ruleSource: RuleSource;
  readonly state: DesiredState;
  readonly baselines: BaselineLoop;
  readonly pauses: Pauses;
  readonly metrics: Pick<Metrics, 'render'>;
  readonly audit: AuditLog;
  /** From `prepareDashboard`. */
  readonly openPages: OpenPages | undefined;
}

/** What a worker shows to operators; not listening yet. */
export interface OpenAdmin {
  /** Gives `http://HOST:PORT`. @throws AutosignError `settings-invalid` when the address cannot be listened on */
  listen(): Promise<string>;
  close(): Promise<void>;
}

type OpenPages = (parts: Omit<OpenDashboardOptions, 'settings' | 'users' | 'logger'>) => OpenDashboard;

// How late a key that cannot be loaded is noticed to be paused, when nobody looks.
const noticeMs = 10_000;

/**
 * The operators' pages, when they are configured; their libraries are not even loaded otherwise. The users file is read
 * before anything else is begun, because a wrong one ends the start.
 */
export async function prepareDashboard(settings: Settings, logger: Logger): Promise<OpenPages | undefined> {
  if (settings.opsUsersFile === undefined) return undefined;
  const { openDashboard, openUsers } = await import('./open-dashboard.ts');
  const users = await openUsers(settings.opsUsersFile, logger);
  return (parts) => openDashboard({ ...parts, settings, users, logger });
}

/** Health, metrics, and the operators' pages where they are configured. */
export async function openAdmin(options: OpenAdminOptions): Promise<OpenAdmin> {
  const { settings, redis, prefix, queues, state, audit, metrics, openPages } = options;
  const pausedSince = createPausedSince(systemClock);
  const health = () => healthOf(options, pausedSince);
  const noticing = setInterval(() => keyStates(options, pausedSince), noticeMs);
  const dashboard = openPages?.({ redis, prefix, queues, desired: state.current, health, audit });
  const app = await createWorkerHealth({
    health,
    metrics,
    trustProxy: settings.trustedProxies,
    pages: dashboard?.pages,
  });
  return {
    listen: () =>
      listen(app, {
        host: settings.adminHost,
        port: settings.adminPort,
        settings: 'AUTOSIGN_ADMIN_HOST, AUTOSIGN_ADMIN_PORT',
      }),
    close: async () => {
      clearInterval(noticing);
      await app.close();
      await dashboard?.close();
    },
  };
}

async function healthOf(
  options: Pick<OpenAdminOptions, 'redis' | 'ruleSource' | 'state' | 'baselines' | 'pauses'>,
  pausedSince: PausedSince,
): Promise<WorkerHealth> {
  const { redis, ruleSource, state, baselines, pauses } = options;
  const { ruleSet } = state.current();
  // By a key: of a cluster the machine that holds the baselines answers.
  const reachable = await redis.exists(signQueuePrefix).then(
    () => true,
    () => false,
  );
  const refused = ruleSource.refused();
  return {
    redis: reachable,
    rules: {
      hash: ruleSet.hash,
      refused: refused?.message,
      ...(refused !== undefined && { refusedSince: refused.since.toISOString() }),
    },
    keys: keyStates(options, pausedSince),
    pausedRegistries: pauses
      .list()
      .flatMap(({ scope, name, reason, since }) =>
        scope === 'registry' ? [{ name, reason, since: since.toISOString() }] : [],
      ),
    preparing: reachable ? await baselines.preparing() : [],
  };
}

function keyStates(
  { state, pauses }: Pick<OpenAdminOptions, 'state' | 'pauses'>,
  pausedSince: PausedSince,
): WorkerHealth['keys'] {
  const { ruleSet } = state.current();
  const keyRing = withPauses(state.current().keyRing, pauses);
  const used = new Set(ruleSet.rules.filter((rule) => rule.state !== 'off').map((rule) => rule.key));
  const states = [...used].map((name) => ({ name, ...keyRing.get(name) }));
  pausedSince.note(states.flatMap((key) => (key.state === 'paused' ? [key.name] : [])));
  // A pause goes on while one job tries for all; a key that could not be loaded has none.
  const sinceOf = (name: string) =>
    pauses.list().find((pause) => pause.scope === 'key' && pause.name === name)?.since ?? pausedSince.of(name);
  return states.map((key) =>
    key.state === 'ready'
      ? { name: key.name, state: key.state }
      : { name: key.name, state: key.state, reason: key.reason, since: sinceOf(key.name)?.toISOString() },
  );
}
