import { appRoutes } from '@bull-board/api/dist/routes.js';
import { expect, test } from 'vitest';
import { host, jobFor, openPages, origin } from './open-pages.ts';

const changing = appRoutes.api.flatMap(({ method, route }) => {
  const methods = [method].flat().filter((one) => one !== 'get');
  return methods.flatMap((one) => [route].flat().map((path) => [one.toUpperCase(), path] as const));
});

test('there are the routes that change something, as far as bull-board has them', () => {
  const paths = changing.map(([method, path]) => `${method} ${path}`).join('\n');
  for (const word of [
    'add',
    'retry',
    'promote',
    'empty',
    'obliterate',
    'pause',
    'clean',
    'update-data',
    'concurrency',
  ]) {
    expect(paths).toMatch(new RegExp(`/${word}`));
  }
  expect(changing.length).toBeGreaterThan(20);
});

test.each(['ada', 'bob'] as const)(
  'nothing of the queue can be changed by %s: every such route answers 405',
  async (name) => {
    const { loggedIn, run, redis, prefix, bullmq } = await openPages();
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'not-found: gone' });
    await bullmq.add('push', jobFor('v2'), { delay: 3_600_000 });
    const user = await loggedIn(name);
    const before = await everything(redis, prefix);
    for (const [method, path] of changing) {
      const url = `/ops/queues${path
        .replace(':queueName', nameOf(prefix))
        .replace(':jobId', id)
        .replace(':queueStatus', 'failed')
        .replace(':schedulerId', 'x')}`;
      const payload = { name: 'push', data: jobFor('v9'), jobData: jobFor('v9'), options: {}, delay: 1, force: true };
      const answer = await user.request({ method: method as 'PUT', url, headers: { host, origin }, payload });
      expect(answer.statusCode, `${method} ${url}`).toBe(405);
      expect(answer.headers['allow']).toBe('GET, HEAD');
    }
    expect(await everything(redis, prefix)).toEqual(before);
  },
);

test('bull-board itself is told to be read-only, should ever something get through to it', async () => {
  const { loggedIn, prefix, run } = await openPages();
  await run({ data: jobFor('v1'), fails: 'not-found: gone' });
  const answer = await (await loggedIn('ada')).get(
    `/ops/queues/api/queues?activeQueue=${nameOf(prefix)}&status=failed`,
  );
  const { queues } = JSON.parse(answer.body);
  expect(queues).toMatchObject([
    { name: nameOf(prefix), readOnlyMode: true, allowRetries: false, allowCompletedRetries: false },
  ]);
  expect(queues[0].jobs).toMatchObject([{ data: { repository: 'prod/app', tag: 'v1' } }]);
});

test('the data of what is no job of ours is not shown', async () => {
  const { loggedIn, prefix, run } = await openPages();
  await run({ data: { password: 'hunter2', registry: 'lab' }, fails: 'job-invalid: x' });
  const ada = await loggedIn('ada');
  for (const url of [`?activeQueue=${nameOf(prefix)}&status=failed`, `/${nameOf(prefix)}/1`]) {
    const { body, statusCode } = await ada.get(`/ops/queues/api/queues${url}`);
    expect(statusCode).toBe(200);
    expect(body).toContain('not a job of this release');
    expect(body).not.toContain('hunter2');
  }
});

test.each(['1000', '1e9', '-1', 'x'])('a page of %s jobs is refused', async (jobsPerPage) => {
  const { loggedIn } = await openPages();
  const answer = await (await loggedIn('ada')).get(`/ops/queues/api/queues?jobsPerPage=${jobsPerPage}`);
  expect(answer.statusCode).toBe(400);
});

test('its page is the one whose headers were written for it', async () => {
  const { loggedIn } = await openPages();
  const { body } = await (await loggedIn('ada')).get('/ops/queues/');
  expect(body).toContain('<base href="/ops/queues/" />');
  // Scripts are files: only JSON stands in the page, which no browser runs.
  const inline = [...body.matchAll(/<script(?![^>]* src=)([^>]*)>/g)].map(([, attributes]) => attributes?.trim());
  expect(inline).toEqual(['id="__UI_CONFIG__" type="application/json"']);
});

/** How the board calls the queue of this prefix. */
function nameOf(prefix: string): string {
  return `${prefix.replace(/^\{(.*)\}$/, '$1')}.sign`;
}

type Redis = Awaited<ReturnType<typeof openPages>>['redis'];

async function everything(redis: Redis, prefix: string): Promise<Record<string, unknown>> {
  const keys = (await redis.keys(`${prefix.replace(/[{}[\]]/g, '\\$&')}:*`)).sort();
  const dumps = await Promise.all(
    keys.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('base64')] as const),
  );
  return Object.fromEntries(dumps);
}
