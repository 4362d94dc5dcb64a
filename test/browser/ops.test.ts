import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { type RunningRegistry, startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { closeConnection, connectProducer } from '../../src/queue/connection.ts';
import { signQueueName, signQueuePrefix } from '../../src/queue/job-options.ts';
import { type HttpProxy, startHttpProxy } from '../chaos/http-proxy.ts';
import { signaturesOf } from '../e2e/lab.ts';
import { startTestStack, type TestStack } from '../e2e/stack-for-test.ts';
import { redisContents } from '../support/redis-contents.ts';
import { type RealBrowser, shoot, startBrowser } from './open-browser.ts';

interface MadeUser {
  readonly password: string;
  readonly line: string;
}

// The whole service as the demo starts it; the registry stands behind a proxy that refuses what a test wants refused.
// The tests are one story, in its order.
let directory: string;
let registry: RunningRegistry;
let proxy: HttpProxy;
let stack: TestStack;
let browser: RealBrowser;
const users: Record<string, MadeUser> = {};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-browser-'));
  for (const [name, role] of Object.entries({ ada: 'operator', bob: 'viewer' })) {
    users[name] = JSON.parse(await runAutosign({ args: ['ops', 'user', name, '--role', role, '--json'], env: {} }));
  }
  const usersFile = join(directory, 'users.txt');
  await writeFile(
    usersFile,
    Object.values(users)
      .map(({ line }) => `${line}\n`)
      .join(''),
  );
  registry = await startDockerRegistry();
  proxy = await startHttpProxy(registry.host);
  const workEnvironment = { AUTOSIGN_OPS_USERS_FILE: usersFile };
  stack = await startTestStack({ keySpec: 'EC_P256', registryHost: proxy.host, workEnvironment });
  browser = await startBrowser();
});

afterAll(async () => {
  await browser?.stop();
  await stack?.stop();
  await proxy?.stop();
  await registry?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Pushes an image and posts its event, as ACR does. */
async function push(repository: string, tag: string) {
  const image = await pushImage({ host: proxy.host, repository, tag, kind: 'oci-manifest' });
  expect((await stack.post({ repository, tag, digest: image.digest })).status).toBe(202);
  return image;
}

async function logIn(page: Page, name: string, password = users[name]?.password ?? ''): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

async function openAs(name: string, options = {}) {
  const tab = await browser.tab(options);
  await tab.page.goto(`${stack.adminUrl}/ops`);
  await logIn(tab.page, name);
  await tab.page.getByRole('heading', { name: 'Overview' }).waitFor();
  return tab;
}

const deadLetter = (page: Page, image: string) => page.locator('#dead-letters tr', { hasText: image });
const newestImage = (page: Page, image: string) => page.locator('#finished tr', { hasText: image });

test('an operator logs in and sees a push become signed on the open page', async () => {
  const { page, complaints } = await browser.tab();
  await page.goto(`${stack.adminUrl}/ops`);
  expect(new URL(page.url()).pathname).toBe('/ops/login');
  await logIn(page, 'ada', 'not her password');
  await page.getByRole('alert').filter({ hasText: 'Name or password is wrong.' }).waitFor();
  expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);

  await logIn(page, 'ada');
  await page.getByText('None yet. An image that is pushed shows up here.').waitFor();
  await page.getByText('Nothing is paused or refused.').waitFor();
  // No navigation from here on: the page looks after news by itself.
  await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));

  const image = await push('prod/shop/web', '2.4.1');
  const row = newestImage(page, 'prod/shop/web:2.4.1');
  await row.getByText('signed notation').waitFor();
  expect(await row.textContent()).toContain(image.digest.slice('sha256:'.length, 'sha256:'.length + 12));
  expect(await signaturesOf(registry.host, 'prod/shop/web', image)).toBe(1);
  expect(await page.evaluate(() => 'sameDocument' in globalThis)).toBe(true);
  expect(complaints).toEqual([]);
});

test('a failure shows up with cause and next step; a viewer can only look at it, an operator tries it again', async () => {
  const refused = JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access is denied' }] });
  proxy.setPolicy(({ path }) =>
    path.includes('/prod/billing/') ? { kind: 'answer', status: 403, body: refused } : undefined,
  );
  const [operator, viewer] = [await openAs('ada'), await openAs('bob')];
  await pushImage({ host: registry.host, repository: 'prod/billing/api', tag: '1.0.7', kind: 'oci-manifest' });
  await stack.post({ repository: 'prod/billing/api', tag: '1.0.7' });
  for (const { page } of [operator, viewer]) {
    const row = deadLetter(page, 'prod/billing/api:1.0.7');
    await row.getByText('registry-denied').waitFor();
    await row.getByText('Give the login of this registry the right to pull from and push to this repository').waitFor();
  }

  const asViewer = deadLetter(viewer.page, 'prod/billing/api:1.0.7');
  expect(await viewer.page.getByRole('button').allTextContents()).toEqual(['Log out']);
  expect(await asViewer.locator('form').count()).toBe(0);
  // A viewer who knows how the form looks, with a good token of his own.
  const answer = viewer.page.waitForResponse((response) => response.request().method() === 'POST');
  // Code of pages is text here: the tests are compiled without the types of a browser.
  await viewer.page.evaluate(`
    const form = document.querySelector('form[action="/ops/logout"]');
    form.action = '/ops/retry';
    form.insertAdjacentHTML('beforeend', '<input name="id" value="1">');
    form.requestSubmit();`);
  expect((await answer).status()).toBe(403);
  await viewer.page.getByText('Only the role operator may send dead letters again.').waitFor();

  await push('prod/shop/search', '0.9.0');
  await newestImage(operator.page, 'prod/shop/search:0.9.0').getByText('signed').waitFor();
  await shoot(operator.page, 'ops-overview');
  proxy.setPolicy(undefined);
  await deadLetter(operator.page, 'prod/billing/api:1.0.7').getByRole('button', { name: 'Retry' }).click();
  await operator.page.getByRole('status').filter({ hasText: 'prod/billing/api:1.0.7 is queued again' }).waitFor();
  await newestImage(operator.page, 'prod/billing/api:1.0.7').getByText('signed notation').waitFor();
  await deadLetter(operator.page, 'prod/billing/api:1.0.7').waitFor({ state: 'detached' });
  expect(operator.complaints).toEqual([]);

  const lines = (await readFile(join(stack.directory, 'work/audit.jsonl'), 'utf8')).trim().split('\n');
  const audited = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'operator');
  expect(audited).toMatchObject([
    { user: 'ada', action: 'retry-dead-letter', code: 'registry-denied', repository: 'prod/billing/api', tag: '1.0.7' },
  ]);
});

test('what a stranger wrote into Redis is text, and runs nowhere', async () => {
  const hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>';
  const redis = connectProducer({ redisUrl: stack.redisUrl, onError: () => undefined });
  const queue = new Queue(signQueueName, { connection: redis, prefix: signQueuePrefix, skipVersionCheck: true });
  await queue.waitUntilReady();
  await queue.add(hostile, { [hostile]: hostile, version: 1 });
  const { page, complaints } = await openAs('ada');
  await deadLetter(page, 'not a job of this release').getByText(hostile.slice(0, 20)).waitFor();
  expect(await page.locator('img[src="x"]').count()).toBe(0);
  expect(complaints).toEqual([]);
  await page.goto(`${stack.adminUrl}/ops/queues/queue/autosign-0.sign?status=failed`);
  await page.getByText('job-invalid').first().waitFor();
  expect(await page.locator('img[src="x"]').count()).toBe(0);
  expect(complaints.filter((text) => !text.includes('fonts.googleapis.com'))).toEqual([]);
  await queue.close();
  await closeConnection(redis);
});

test('the queues can be looked at and not be changed', async () => {
  const { page, complaints } = await openAs('ada');
  await page.getByRole('link', { name: 'Queues' }).click();
  await page.getByText('autosign-0').first().waitFor();
  await page.goto(`${stack.adminUrl}/ops/queues/queue/autosign-0.sign?status=completed`);
  await page.getByText('prod/shop/web').first().waitFor();
  await shoot(page, 'ops-queues');
  const words = (await page.getByRole('button').allTextContents()).join(' ');
  expect(words).not.toMatch(/retry|promote|clean|empty|obliterate|pause|add job|edit|duplicate/i);
  const status = await page.evaluate(async () => {
    const answer = await fetch('/ops/queues/api/queues/autosign-0.sign/empty', { method: 'PUT' });
    return answer.status;
  });
  expect(status).toBe(405);
  // Its fonts would come from another host; everything else of it works under our policy.
  const others = complaints.filter((text) => !text.includes('fonts.googleapis.com') && !text.includes('405'));
  expect(others).toEqual([]);
});

test('the page reads well in the dark and on a telephone, and works without a script', async () => {
  const dark = await openAs('ada', { colorScheme: 'dark' });
  await shoot(dark.page, 'ops-dark');
  const narrow = await openAs('ada', { viewport: { width: 390, height: 844 } });
  const width = await narrow.page.evaluate<number>('document.documentElement.scrollWidth');
  expect(width).toBeLessThanOrEqual(390);
  await shoot(narrow.page, 'ops-narrow');
  const plain = await openAs('ada', { javaScriptEnabled: false });
  await newestImage(plain.page, 'prod/shop/web:2.4.1').getByText('signed notation').waitFor();
  expect([...dark.complaints, ...narrow.complaints, ...plain.complaints]).toEqual([]);
});

test('after logging out nothing is left to look at, not even by going back', async () => {
  const { page } = await openAs('ada');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Password').waitFor();
  await page.goBack();
  await page.getByLabel('Password').waitFor();
  await page.goto(`${stack.adminUrl}/ops/queues/`);
  await page.getByLabel('Password').waitFor();
});

test('no page, metric, job, log or audit line holds a secret', async () => {
  const { page } = await openAs('ada');
  const html = await page.content();
  const cookies = await page.context().cookies();
  await page.goto(`${stack.adminUrl}/ops/queues/queue/autosign-0.sign?status=completed`);
  await page.getByText('prod/shop/web').first().waitFor();
  const files = ['serve.log', 'work.log', 'work/audit.jsonl'].map((name) => join(stack.directory, name));
  const metrics = await (await fetch(`${stack.adminUrl}/metrics`)).text();
  expect(metrics).toContain('autosign_push_to_signed_seconds_count');
  const stored = await redisContents(stack.redisUrl);
  expect(stored).toContain('prod/shop/web');
  const written = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const texts = [html, await page.content(), metrics, stored, ...written];
  const secrets = [
    ...Object.values(users).flatMap(({ password, line }) => [password, line.split(' ')[2] ?? '']),
    ...Object.values(stack.cloud.workerEnvironment).slice(1),
    ...cookies
      .filter(({ name }) => name === 'autosign-ops')
      .map(({ value }) => decodeURIComponent(value).split('.')[0] ?? ''),
    stack.webhookUrl.split('/').at(-1) ?? '',
  ];
  expect(secrets.every((secret) => secret.length > 15)).toBe(true);
  for (const text of texts) for (const secret of secrets) expect(text.includes(secret)).toBe(false);
});

test('an open page does not hold up the end of the worker, and says that it is gone', async () => {
  const { page } = await openAs('ada');
  stack.processes.work.kill('SIGTERM');
  expect(await stack.processes.work.exited).toEqual({ code: 0, signal: null });
  await page.getByText('The worker does not answer. What stands here is how it was.').waitFor();
  expect(await newestImage(page, 'prod/shop/web:2.4.1').count()).toBe(1);
});
