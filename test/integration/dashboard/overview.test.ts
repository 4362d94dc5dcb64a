import { describe, expect, test } from 'vitest';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { signQueueName } from '../../../src/queue/job-options.ts';
import { calm, jobFor, openPages, textOf } from './open-pages.ts';

const digest = `sha256:${'ab12'.repeat(16)}`;
const signed = {
  status: 'examined',
  digest,
  superseded: false,
  intents: [{ rules: ['prod-images'], key: 'release', format: 'notation', status: 'signed' }],
};

describe('the overview', () => {
  test('is calm when nothing stands in the way', async () => {
    const { loggedIn } = await openPages();
    const { body } = await (await loggedIn('bob')).get('/ops');
    expect(body).toContain('Nothing is paused or refused.');
    expect(body).toContain('<b>release</b> ready');
    expect(body).toContain('None: nothing has failed for good.');
    expect(textOf(body)).toContain('lab not compared yet');
  });

  test('says what is paused, since when and why, what is refused, and what is preparing', async () => {
    const { loggedIn, state } = await openPages();
    const since = new Date(state.now - 125_000).toISOString();
    state.health = {
      ...calm,
      rules: { hash: calm.rules.hash, refused: 'rules.yaml:7: no such key', refusedSince: since },
      keys: [{ name: 'release', state: 'paused', reason: 'its certificate ended', since }],
      pausedRegistries: [{ name: 'lab', reason: 'the login is refused', since }],
      preparing: [{ rule: 'prod-images', registry: 'lab', reason: 'the walk runs' }],
    };
    const text = textOf((await (await loggedIn('bob')).get('/ops')).body);
    expect(text).toContain('Key release is paused, its jobs wait for 2 min its certificate ended');
    expect(text).toContain('Registry lab is paused, its jobs wait for 2 min the login is refused');
    expect(text).toContain(
      'The rules file is refused, the last good rules are in use for 2 min rules.yaml:7: no such key',
    );
    expect(text).toContain('Rule prod-images is preparing on lab, its jobs wait the walk runs');
    expect(text).not.toContain('Nothing is paused');
  });

  test('shows the newest images with outcome, digest and time, and how much waits', async () => {
    const { loggedIn, run, bullmq } = await openPages();
    await run(
      { data: jobFor('v1'), outcome: signed },
      { data: jobFor('v2'), outcome: { status: 'denied', digest, reason: 'Denied: leaked credential.' } },
    );
    await bullmq.add('push', jobFor('v3'));
    await bullmq.add('backfill', jobFor('v4'), { priority: 10 });
    const text = textOf((await (await loggedIn('bob')).get('/ops')).body);
    expect(text).toMatch(/prod\/app:v2 lab denied Denied: leaked credential\. ab12ab12ab12 push [\d.]+ s just now/);
    expect(text).toMatch(/prod\/app:v1 lab signed notation ab12ab12ab12 push/);
    expect(text).toContain('Live 1 pushes that wait Behind 1');
  });

  test('is there without Redis, and says so', async () => {
    const redis = await startRedis({ appendOnly: false });
    const { loggedIn, state } = await openPages({ redisUrl: redis.url });
    const ada = await loggedIn('ada');
    await redis.stop();
    state.health = { ...calm, redis: false };
    const answer = await ada.get('/ops');
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toContain('Redis does not answer');
    const notice = await ada.post('/ops/retry', { id: '1' });
    expect(notice.statusCode).toBe(303);
    expect((await ada.get('/ops')).body).toContain('Not done. Redis has not confirmed');
    const board = await ada.get('/ops/queues/api/queues');
    expect(board.statusCode).toBe(500);
    expect(board.body).toBe('{"error":{"key":"ERRORS.INTERNAL_SERVER_ERROR"}}');
  });

  test('shows what strangers wrote into Redis as text, and nothing of it hides the rest', async () => {
    const { loggedIn, run, redis, prefix } = await openPages();
    const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`;
    const [, , broken = ''] = await run(
      { data: { ...jobFor('v1'), [hostile]: hostile }, fails: `job-invalid: ${hostile}` },
      { data: jobFor('v2'), fails: `${hostile}\u202e` },
      { data: jobFor('v3'), outcome: signed },
      { data: jobFor('v4'), fails: 'not-found: gone' },
      {
        data: jobFor('v5'),
        outcome: { ...signed, intents: [{ rules: [], format: hostile, status: hostile, reason: hostile }] },
      },
      { data: jobFor('v6'), outcome: { status: hostile, reason: 'x'.repeat(50_000) } },
      { data: jobFor('v7'), outcome: 'no outcome' },
    );
    await redis.hset(`${prefix}:${signQueueName}:${broken}`, 'returnvalue', '{no json');
    const ada = await loggedIn('ada');
    const { body, statusCode } = await ada.get('/ops');
    expect(statusCode).toBe(200);
    expect(body).not.toMatch(/<img src=x|<script>alert/);
    expect(body).toContain('&lt;script&gt;alert(1)');
    expect(body.length).toBeLessThan(40_000);
    for (const tag of ['v2', 'v4', 'v5', 'v6']) expect(textOf(body)).toContain(`prod/app:${tag}`);
    expect(textOf(body)).toContain('not a job of this release');
    for (const [, form = ''] of body.matchAll(/<form method="post" action="\/ops\/retry">(.*?)<\/form>/gs)) {
      expect(form).toMatch(/name="id" value="\d+"/);
    }
  });
});

describe('dead letters', () => {
  test('are listed with cause and next step, chosen by cause, page by page', async () => {
    const { loggedIn, run } = await openPages({ limits: { deadLettersShown: 2 } });
    const tags = ['v1', 'v2', 'v3'];
    await run(...tags.map((tag) => ({ data: jobFor(tag), fails: 'registry-denied: the registry answered 403' })), {
      data: jobFor('v4'),
      fails: 'too-large: 5 MiB',
    });
    const ada = await loggedIn('ada');
    const first = await ada.get('/ops');
    expect(textOf(first.body)).toContain('all 4 registry-denied 3 too-large 1');
    expect(shownIn(first.body)).toEqual(['prod/app:v4', 'prod/app:v3']);
    expect(textOf(first.body)).toContain('too-large 5 MiB Push a smaller manifest');
    expect(first.body).toContain('href="/ops?page=2#dead-letters">Older');
    expect(shownIn((await ada.get('/ops?page=2')).body)).toEqual(['prod/app:v2', 'prod/app:v1']);
    const denied = (await ada.get('/ops?code=registry-denied&page=2')).body;
    expect(shownIn(denied)).toEqual(['prod/app:v1']);
    expect(denied).toContain('Retry all with this cause');
    // What is no page or no cause is the first page of all.
    expect(shownIn((await ada.get('/ops?page=999&code=registry-denied')).body)).toEqual(['prod/app:v1']);
    for (const query of ['?page=x', '?page=-1', '?code=%3Cscript%3E', '?code=a&code=b']) {
      expect(shownIn((await ada.get(`/ops${query}`)).body), query).toEqual(['prod/app:v4', 'prod/app:v3']);
    }
  });

  test('beyond those that are read are counted and said to be there', async () => {
    const { loggedIn, run } = await openPages({ limits: { deadLettersRead: 2 } });
    await run(...['v1', 'v2', 'v3'].map((tag) => ({ data: jobFor(tag), fails: 'not-found: gone' })));
    const text = textOf((await (await loggedIn('ada')).get('/ops')).body);
    expect(text).toContain('These are the newest 2 of 3; “autosign dead list” has them all.');
  });

  test('are sent again by an operator: audited before, queued with the live pushes, told', async () => {
    const { loggedIn, run, state, bullmq, deadLetters } = await openPages();
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'registry-denied: 403' });
    const ada = await loggedIn('ada');
    expect(await ada.post('/ops/retry', { id })).toMatchObject({ statusCode: 303, headers: { location: '/ops' } });
    expect(await deadLetters.get(id)).toBeUndefined();
    const [job] = await bullmq.getWaiting();
    expect(job?.data).toMatchObject({ repository: 'prod/app', tag: 'v1', lane: 'push', cause: { kind: 'operator' } });
    expect(state.audit).toEqual([
      {
        kind: 'operator',
        action: 'retry-dead-letter',
        user: 'ada',
        deadLetter: id,
        code: 'registry-denied',
        registry: 'lab',
        repository: 'prod/app',
        tag: 'v1',
        address: '127.0.0.1',
      },
    ]);
    // The script that refreshes parts of the page leaves the notice for the page.
    expect((await ada.get('/ops', { 'x-live': '1' })).body).not.toContain('is queued again');
    expect((await ada.get('/ops')).body).toContain(
      `prod/app:v1 is queued again, as job ${job?.id} with the live pushes.`,
    );
    expect((await ada.get('/ops')).body).not.toContain('is queued again');
    // Somebody was faster.
    await ada.post('/ops/retry', { id });
    expect((await ada.get('/ops')).body).toContain('There is no such dead letter any more');
    expect(state.audit).toHaveLength(1);
  });

  test('of one cause are sent again at once, behind the live pushes, up to a limit', async () => {
    const { loggedIn, run, state, bullmq, deadLetters } = await openPages({ limits: { retriedAtOnce: 2 } });
    await run(
      ...['v1', 'v2', 'v3'].map((tag) => ({ data: jobFor(tag), fails: 'not-found: gone' })),
      { data: jobFor('v4'), fails: 'too-large: 5 MiB' },
      { data: { strange: true }, fails: 'not-found: gone' },
    );
    const ada = await loggedIn('ada');
    await ada.post('/ops/retry-all', { code: 'not-found' });
    const text = textOf((await ada.get('/ops')).body);
    expect(text).toContain(
      '2 with the cause not-found queued again, behind the live pushes. That is the most for one click',
    );
    expect(text).toContain('1 are no jobs of this release and stay.');
    expect(state.audit).toHaveLength(2);
    await ada.post('/ops/retry-all', { code: 'not-found' });
    expect(await bullmq.getPrioritizedCount()).toBe(3);
    expect((await Array.fromAsync(deadLetters.list())).map(({ code }) => code).sort()).toEqual([
      'not-found',
      'too-large',
    ]);
  });

  test('stay where they are for a viewer, who sees no button', async () => {
    const { loggedIn, run, state, deadLetters } = await openPages();
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'not-found: gone' });
    const bob = await loggedIn('bob');
    const { body } = await bob.get('/ops?code=not-found');
    expect(textOf(body)).toContain('prod/app');
    expect(body).not.toMatch(/action="\/ops\/retry|<button>/);
    for (const [url, fields] of [
      ['/ops/retry', { id }],
      ['/ops/retry-all', { code: 'not-found' }],
    ] as const) {
      const answer = await bob.post(url, fields);
      expect(answer.statusCode).toBe(403);
      expect(answer.body).toContain('Only the role operator');
    }
    expect(await deadLetters.get(id)).toBeDefined();
    expect(state.audit).toEqual([]);
  });

  test('stay where they are when the audit file cannot be written', async () => {
    const { loggedIn, run, state, bullmq, deadLetters } = await openPages();
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'not-found: gone' });
    state.auditBroken = true;
    const ada = await loggedIn('ada');
    for (const [url, fields] of [
      ['/ops/retry', { id }],
      ['/ops/retry-all', { code: 'not-found' }],
    ] as const) {
      await ada.post(url, fields);
      expect((await ada.get('/ops')).body).toContain('Not done. The audit file cannot be written.');
    }
    expect(await deadLetters.get(id)).toBeDefined();
    expect(await bullmq.getWaitingCount()).toBe(0);
  });

  test('that are no jobs of this release stay, and say so', async () => {
    const { loggedIn, run, state, deadLetters } = await openPages();
    const [id = ''] = await run({ data: { ...jobFor('v1'), version: 2 }, fails: 'job-invalid: version' });
    const ada = await loggedIn('ada');
    await ada.post('/ops/retry', { id });
    expect((await ada.get('/ops')).body).toContain('That is not a job of this release and stays.');
    expect(await deadLetters.get(id)).toBeDefined();
    expect(state.audit).toEqual([]);
  });
});

/** The images of the dead letters on a page. */
function shownIn(page: string): readonly string[] {
  const table = /<section id="dead-letters".*?<\/section>/s.exec(page)?.[0] ?? '';
  return [...table.replaceAll('<wbr>', '').matchAll(/<span class="image"><b>([^<]*)<\/b>:<b>([^<]*)<\/b>/g)].map(
    ([, name, tag]) => `${name}:${tag}`,
  );
}
