import { expect, onTestFinished, test } from 'vitest';
import { openDashboard } from '../../../src/commands/open-dashboard.ts';
import { openUserSource } from '../../../src/dashboard/user-source.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { AuditEntry } from '../../../src/observability/audit.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { createWorkerHealth } from '../../../src/receiver/worker-health.ts';
import type { RuleSet } from '../../../src/rules/rule-set.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { numbersIn, openQueues, pushOf } from '../queue/open-queues.ts';
import { done } from '../worker/open-queue.ts';
import { calm, openBrowser, textOf, usersText } from './open-pages.ts';

const refused: JobVerdict = { next: 'give-up', error: new AutosignError('registry-denied', 'no') };

const noRules: RuleSet = {
  registries: new Map(),
  keys: new Map(),
  rules: [],
  deny: [],
  files: [],
  hash: '',
  quotas: [],
};

/** The pages as a worker with four queues opens them, on queues of this test's own. */
async function openFour() {
  const { redis, prefix, openProcess } = openQueues();
  const four = openProcess(4);
  const logger = createLogger({ level: 'error', destination: { write: () => true } });
  const audit: AuditEntry[] = [];
  const dashboard = openDashboard({
    settings: { adminHost: '127.0.0.1', opsUrl: undefined },
    users: await openUserSource({
      file: 'users.txt',
      readTextFile: async () => usersText,
      clock: systemClock,
      onRefused: () => undefined,
    }),
    redis,
    prefix,
    queues: four.queues,
    desired: () => ({ ruleSet: noRules }),
    health: async () => calm,
    audit: { write: async (entry) => void audit.push(entry), close: async () => undefined },
    logger,
  });
  const metrics = { render: async () => ({ contentType: 'text/plain', text: 'metrics' }) };
  const app = await createWorkerHealth({ health: async () => calm, metrics, pages: dashboard.pages });
  onTestFinished(async () => {
    await app.close();
    await dashboard.close();
  });
  const ada = openBrowser((request) => app.inject(request));
  await ada.logIn('ada');
  return { ...four, ada, audit };
}

test('shows dead letters, newest images and depths of all queues, and sends one again where it belongs', async () => {
  const { queue, queues, startWorkers, ada, dead, imageJobs, audit } = await openFour();
  const numbers = [0, 1, 2, 3].map((index) => numbersIn(queues, index, 3));
  const [failing = [], passing = [], waiting = []] = [0, 1, 2].map((place) => numbers.map((own) => own[place] ?? -1));
  const isFailing = (data: unknown) => failing.some((number) => imageOf(number).repository === repositoryIn(data));
  const workers = startWorkers(async (data) => (isFailing(data) ? refused : done));
  const letters = () => Array.fromAsync(dead.list());
  for (const number of [...passing, ...failing]) await queue.add(pushOf(number));
  const failed = await waitUntil(letters, (all) => all.length === 4);
  await workers.close({ timeoutMs: 5_000 });
  for (const number of waiting) await queue.add(pushOf(number));

  const board = JSON.parse((await ada.get('/ops/queues/api/queues')).body);
  expect(board.queues).toMatchObject(Array(4).fill({ counts: { failed: 1, completed: 1 } }));
  // What the page shows is kept for a moment, and the login has read it already.
  const page = await waitUntil(
    async () => textOf((await ada.get('/ops')).body),
    (text) => text.includes('Live 4 pushes that wait'),
  );
  expect(page).toContain('all 4 registry-denied 4');
  for (const number of [...failing, ...passing]) expect(page).toContain(`${imageOf(number).repository}:v1`);

  const [number = -1] = failing.slice(3);
  const letter = failed.find(({ id }) => id.startsWith('3-'));
  expect((await ada.post('/ops/retry', { id: letter?.id ?? '' })).statusCode).toBe(303);
  expect(textOf((await ada.get('/ops')).body)).toContain('is queued again, as job 3-');
  expect(await imageJobs.live(imageOf(number))).toMatchObject({ id: expect.stringMatching(/^3-/), state: 'waiting' });
  expect((await letters()).map(({ id }) => id).sort()).toEqual(
    failed
      .map(({ id }) => id)
      .filter((id) => id !== letter?.id)
      .sort(),
  );
  expect(audit).toMatchObject([{ action: 'retry-dead-letter', deadLetter: letter?.id, ...imageOf(number) }]);
});

const imageOf = (number: number) => ({ registry: 'lab', repository: `prod/app-${number}`, tag: 'v1' });
const repositoryIn = (data: unknown) => (data as { readonly repository: string }).repository;
