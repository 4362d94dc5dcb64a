import { Queue, UnrecoverableError, Worker } from 'bullmq';
import type { InjectOptions } from 'fastify';
import { inject, onTestFinished } from 'vitest';
import { createAllowedHosts } from '../../../src/dashboard/allowed-hosts.ts';
import { createDashboard } from '../../../src/dashboard/dashboard.ts';
import { type DashboardLimits, dashboardLimits } from '../../../src/dashboard/dashboard-limits.ts';
import { hashPassword } from '../../../src/dashboard/password.ts';
import { openUserSource } from '../../../src/dashboard/user-source.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { AuditEntry } from '../../../src/observability/audit.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { closeConnection, connectProducer, connectWorker } from '../../../src/queue/connection.ts';
import { createDeadLetters } from '../../../src/queue/dead-letters.ts';
import { createFinishedJobs } from '../../../src/queue/finished-jobs.ts';
import { signJobOptions, signQueueName } from '../../../src/queue/job-options.ts';
import { countsByState, createQueueDepths } from '../../../src/queue/queue-depth.ts';
import { onlyQueue } from '../../../src/queue/queue-set.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createSignQueue } from '../../../src/queue/sign-queue.ts';
import { createWorkerHealth } from '../../../src/receiver/worker-health.ts';
import type { WorkerHealth } from '../../../src/worker/worker-health.ts';
import { uniquePrefix } from '../../support/names.ts';

export const host = '127.0.0.1:9090';
export const origin = `http://${host}`;
export const passwords = { ada: 'ada has a long password', bob: 'bob has a long password' } as const;

// Hashing takes a quarter of a second, so it is done once.
const hashes = { ada: await hashPassword(passwords.ada), bob: await hashPassword(passwords.bob) };
export const usersText = `ada operator ${hashes.ada}\nbob viewer ${hashes.bob}\n`;

export const calm: WorkerHealth = {
  redis: true,
  rules: { hash: '5f'.repeat(32), refused: undefined },
  keys: [{ name: 'release', state: 'ready' }],
  pausedRegistries: [],
  preparing: [],
};

export interface PagesOptions {
  readonly limits?: Partial<DashboardLimits>;
  readonly publicUrl?: URL;
  readonly redisUrl?: string;
}

/** The operators' pages on a queue of this test's own in a real Redis; all of it goes with the test. */
export async function openPages({ limits, publicUrl, redisUrl = inject('redisUrl') }: PagesOptions = {}) {
  const prefix = uniquePrefix('pages');
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const shared = { redis, prefix, timeoutMs: 1_000 };
  const state = {
    usersText,
    health: calm,
    now: Date.now(),
    auditBroken: false,
    audit: [] as AuditEntry[],
    log: [] as Record<string, unknown>[],
  };
  const clock = { now: () => new Date(state.now) };
  const logger = createLogger({ level: 'debug', destination: { write: (line) => state.log.push(JSON.parse(line)) } });
  const queue = createSignQueue(shared);
  const deadLetters = createDeadLetters({ ...shared, queue, now: clock.now });
  const depths = createQueueDepths({ redis, queues: onlyQueue(prefix), timeoutMs: 1_000 });
  const finished = createFinishedJobs({ redis, prefixes: [prefix], timeoutMs: 1_000 });
  const bullmq = new Queue<SignJob>(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  bullmq.on('error', () => undefined);
  const pages = createDashboard({
    users: await openUserSource({
      file: 'users.txt',
      readTextFile: async () => state.usersText,
      clock,
      onRefused: () => undefined,
    }),
    hosts: createAllowedHosts({ adminHost: '127.0.0.1', publicUrl }),
    health: async () => state.health,
    jobCounts: async () => countsByState(await depths.read()),
    walkedRegistries: async () => [{ registry: 'lab', run: undefined }],
    deadLetters,
    finished,
    queues: [bullmq],
    audit: {
      write: async (entry) => {
        if (state.auditBroken) throw new AutosignError('audit-unwritable', 'The audit file cannot be written.');
        state.audit.push(entry);
      },
    },
    clock,
    logger,
    // What is read is of this moment, so that a test sees what it has just done.
    limits: { ...dashboardLimits, overviewKeptMs: 0, ...limits },
  });
  const metrics = { render: async () => ({ contentType: 'text/plain', text: 'metrics' }) };
  const app = await createWorkerHealth({ health: async () => state.health, metrics, pages });
  onTestFinished(async () => {
    await app.close();
    await bullmq.obliterate({ force: true }).catch(() => undefined);
    await Promise.all([bullmq.close(), finished.close(), depths.close(), deadLetters.close(), queue.close()]);
    await closeConnection(redis);
  });
  return {
    app,
    state,
    prefix,
    redis,
    bullmq,
    deadLetters,
    browser: () => openBrowser((request) => app.inject(request)),
    /** A browser in which this user is logged in. */
    loggedIn: async (name: keyof typeof passwords) => {
      const browser = openBrowser((request) => app.inject(request));
      await browser.logIn(name);
      return browser;
    },
    /** Lets one job after the other end: with a cause it is a dead letter, else this is its outcome. */
    run: async (...jobs: readonly { data: unknown; fails?: string; outcome?: unknown }[]) => {
      const ids: string[] = [];
      for (const { data } of jobs) {
        const options = { ...signJobOptions(jobFor('x')), deduplication: { id: `${Math.random()}` } };
        ids.push((await bullmq.add('push', data as SignJob, options)).id ?? '');
      }
      const connection = connectWorker({ redisUrl, onError: () => undefined });
      const all = Promise.withResolvers<void>();
      let ended = 0;
      const end = () => {
        ended += 1;
        if (ended === jobs.length) all.resolve();
      };
      const run = async ({ id }: { id?: string | undefined }) => {
        const job = jobs[ids.indexOf(id ?? '')];
        if (job?.fails !== undefined) throw new UnrecoverableError(job.fails);
        return job?.outcome;
      };
      const worker = new Worker(signQueueName, run, { connection, prefix });
      worker.on('failed', end).on('completed', end);
      await all.promise;
      await worker.close();
      await closeConnection(connection);
      return ids;
    },
  };
}

export function jobFor(tag: string, more: Partial<SignJob> = {}): SignJob {
  const receivedAt = new Date(Date.now() - 1_500).toISOString();
  return {
    version: 1,
    registry: 'lab',
    repository: 'prod/app',
    tag,
    lane: 'push',
    cause: { kind: 'push', receivedAt },
    ...more,
  };
}

type Send = (request: InjectOptions) => Promise<{
  readonly statusCode: number;
  readonly body: string;
  readonly headers: Record<string, unknown>;
  readonly cookies: readonly { readonly name: string; readonly value: string }[];
}>;

/** As much of a browser as the pages need: cookies, the headers of navigations and forms, hidden fields. */
export function openBrowser(send: Send) {
  const cookies = new Map<string, string>();
  let page = '';

  async function request(options: InjectOptions) {
    const answer = await send({ ...options, cookies: Object.fromEntries(cookies) });
    for (const { name, value } of answer.cookies) {
      if (value === '') cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  }

  async function get(url: string, headers: Record<string, string> = {}) {
    const answer = await request({ method: 'GET', url, headers: { host, accept: 'text/html', ...headers } });
    if (answer.statusCode === 200) page = answer.body;
    return answer;
  }

  function post(url: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const payload = new URLSearchParams({ _csrf: csrfOf(page), ...fields }).toString();
    return request({
      method: 'POST',
      url,
      headers: { host, origin, accept: 'text/html', ...type, ...headers },
      payload,
    });
  }

  return {
    cookies,
    request,
    get,
    /** Sends a form with the token of the last page, unless `fields` has another one. */
    post,
    logIn: async (name: string, password: string = passwords[name as keyof typeof passwords]) => {
      await get('/ops/login');
      const answer = await post('/ops/login', { name, password });
      if (answer.statusCode === 303) await get('/ops');
      return answer;
    },
  };
}

/** The token of the first form of a page. */
export function csrfOf(page: string): string {
  return /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
}

/** What a page says, without its markup. */
export function textOf(page: string): string {
  const between = page.replace(/<\/?(b|wbr)>/g, '').replace(/<[^>]*>/g, ' ');
  return between.replaceAll('&#39;', "'").replace(/\s+/g, ' ').replaceAll(' :', ':');
}
