import { connect } from 'node:net';
import { Queue } from 'bullmq';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { signQueueName } from '../../../src/queue/job-options.ts';
import { parseSignJob } from '../../../src/queue/sign-job.ts';
import {
  openReceiver,
  pushBody,
  readRules,
  rulesText,
  type TestReceiver,
  type TestReceiverOptions,
  tokens,
} from './receiver-setup.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: Partial<TestReceiverOptions> = {}): Promise<TestReceiver & { queue: Queue }> {
  const receiver = await openReceiver({ redisUrl: inject('redisUrl'), ...options });
  const queue = new Queue(signQueueName, { connection: receiver.redis, prefix: receiver.prefix });
  cleanups.push(async () => {
    await queue.obliterate({ force: true });
    await queue.close();
    await receiver.close();
  });
  return { ...receiver, queue };
}

function post(receiver: TestReceiver, registry: string, token: string, payload: unknown = pushBody(), headers = {}) {
  return receiver.app.inject({
    method: 'POST',
    url: `/webhooks/acr/${registry}/${token}`,
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });
}

async function listen(receiver: TestReceiver): Promise<{ url: string; port: number }> {
  const url = await receiver.app.listen({ host: '127.0.0.1', port: 0 });
  return { url, port: Number(new URL(url).port) };
}

/** Sends raw bytes and reads until the server closes or `until` was read. */
function talk(port: number, send: string, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(send));
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
      if (until.test(answer)) socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
  });
}

describe('a push that a rule wants', () => {
  test('is answered with 202 and the job, once Redis has it', async () => {
    const receiver = await open();
    const answer = await post(receiver, 'prod', tokens.prod);
    expect(answer.statusCode).toBe(202);
    const { queued, job } = answer.json();
    expect(queued).toBe(true);
    const data = parseSignJob((await receiver.queue.getJob(job))?.data);
    expect(data).toMatchObject({ registry: 'prod', repository: 'prod/app', tag: 'v1', lane: 'push' });
    expect(data.cause).toMatchObject({ kind: 'push', eventDigest: `sha256:${'a'.repeat(64)}` });
  });

  test('is marked as under way', async () => {
    const receiver = await open();
    await post(receiver, 'prod', tokens.prod);
    const image = { registry: 'prod', repository: 'prod/app', tag: 'v1' };
    expect(await receiver.marks.read(image)).toBeDefined();
  });

  test('is queued once when it is delivered a hundred times', async () => {
    const receiver = await open();
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(receiver, 'prod', tokens.prod)));
    expect(new Set(answers.map((answer) => answer.statusCode))).toEqual(new Set([202]));
    expect(await receiver.queue.count()).toBe(1);
  });

  test('takes the registry from the path, whatever the body says', async () => {
    const receiver = await open();
    const body = { ...pushBody(), registry: 'quiet', repository: { ...pushBody().repository, registry: 'quiet' } };
    const { job } = (await post(receiver, 'prod', tokens.prod, body)).json();
    expect((await receiver.queue.getJob(job))?.data.registry).toBe('prod');
  });

  test('is logged in one line with its coordinates', async () => {
    const receiver = await open();
    await post(receiver, 'prod', tokens.prod);
    expect(receiver.log).toHaveLength(1);
    expect(JSON.parse(receiver.log[0] ?? '')).toMatchObject({
      msg: 'push event queued',
      registry: 'prod',
      repository: 'prod/app',
      tag: 'v1',
    });
  });
});

describe('a push that no rule wants is answered with 202 and the reason, and queues and marks nothing', () => {
  const signatureTag = `sha256-${'b'.repeat(64)}`;
  test.each([
    ['another tag', 'prod', tokens.prod, { tag: 'latest' }, 'no rule wants this repository and tag'],
    ['another namespace', 'prod', tokens.prod, { namespace: 'dev' }, 'no rule wants this repository and tag'],
    ['a fallback tag', 'prod', tokens.prod, { tag: signatureTag }, 'the tag holds signatures'],
    ['a .sig tag', 'prod', tokens.prod, { tag: `${signatureTag}.sig` }, 'the tag holds signatures'],
    ['an .att tag', 'prod', tokens.prod, { tag: `${signatureTag}.att` }, 'the tag holds signatures'],
    ['rules that are off', 'quiet', tokens.quiet, {}, 'every rule of the registry is off'],
    ['no rules', 'bare', tokens.bare, {}, 'the registry has no rule'],
  ])('%s', async (_what, registry, token, image, reason) => {
    const receiver = await open();
    const answer = await post(receiver, registry, token, pushBody(image));
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ queued: false, reason: expect.stringContaining(reason) });
    expect(await receiver.queue.count()).toBe(0);
    expect(await receiver.redis.keys(`${receiver.prefix}:pushed:*`)).toEqual([]);
    expect(JSON.parse(receiver.log[0] ?? '')).toMatchObject({ msg: 'push event not queued' });
  });
});

describe('the token', () => {
  test('two are valid at once, and the old one is refused after the rotation', async () => {
    const receiver = await open();
    expect((await post(receiver, 'prod', tokens.prodOld)).statusCode).toBe(202);
    expect((await post(receiver, 'prod', tokens.prod)).statusCode).toBe(202);
    receiver.use(await readRules(rulesText([tokens.prod])));
    expect((await post(receiver, 'prod', tokens.prodOld)).statusCode).toBe(401);
    expect((await post(receiver, 'prod', tokens.prod)).statusCode).toBe(202);
  });

  test('a wrong one, an unknown registry and one without a webhook get the same 401', async () => {
    const receiver = await open();
    const answers = await Promise.all([
      post(receiver, 'prod', 'wrong'),
      post(receiver, 'prod', tokens.quiet),
      post(receiver, 'nowhere', tokens.prod),
      post(receiver, 'mute', tokens.prod),
      post(receiver, 'prod', 'x'.repeat(5_000)),
      post(receiver, '__proto__', tokens.prod),
    ]);
    for (const answer of answers) {
      expect(answer.statusCode).toBe(401);
      expect(answer.body).toBe(answers[0]?.body);
      expect({ ...answer.headers, date: '' }).toEqual({ ...answers[0]?.headers, date: '' });
    }
    expect(await receiver.queue.count()).toBe(0);
  });

  test('a wrong one is refused before the body is looked at', async () => {
    const receiver = await open({ limits: { wrongTokensPerMinuteMax: 100 } });
    expect((await post(receiver, 'prod', 'wrong', '{')).statusCode).toBe(401);
    expect((await post(receiver, 'prod', 'wrong', 'x'.repeat(70_000))).statusCode).toBe(401);
    expect((await post(receiver, 'prod', 'wrong', 'x', { 'content-type': 'text/plain' })).statusCode).toBe(401);
  });

  test('after too many wrong ones the caller gets 429, and a right one is served all the same', async () => {
    const receiver = await open({ limits: { wrongTokensPerMinuteMax: 3 } });
    for (let count = 0; count < 3; count += 1) expect((await post(receiver, 'prod', 'wrong')).statusCode).toBe(401);
    const refused = await post(receiver, 'prod', 'wrong');
    expect(refused.statusCode).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await post(receiver, 'prod', tokens.prod)).statusCode).toBe(202);
    expect((await post(receiver, 'prod', 'wrong')).statusCode).toBe(429);
  });

  test('right ones are never counted', async () => {
    const receiver = await open({ limits: { wrongTokensPerMinuteMax: 1 } });
    for (let count = 0; count < 30; count += 1)
      expect((await post(receiver, 'prod', tokens.prod)).statusCode).toBe(202);
    expect((await post(receiver, 'prod', 'wrong')).statusCode).toBe(401);
  });

  test('wrong ones are counted for each address, which only a trusted proxy may tell', async () => {
    const behind = await open({ limits: { wrongTokensPerMinuteMax: 1 }, trustProxy: ['127.0.0.0/8'] });
    const from = (receiver: TestReceiver, address: string) =>
      post(receiver, 'prod', 'wrong', pushBody(), { 'x-forwarded-for': address });
    expect((await from(behind, '192.0.2.1')).statusCode).toBe(401);
    expect((await from(behind, '192.0.2.1')).statusCode).toBe(429);
    expect((await from(behind, '192.0.2.2')).statusCode).toBe(401);
    const direct = await open({ limits: { wrongTokensPerMinuteMax: 1 } });
    expect((await from(direct, '192.0.2.1')).statusCode).toBe(401);
    expect((await from(direct, '192.0.2.2')).statusCode).toBe(429);
  });
});

describe('a body that is wrong', () => {
  test.each([
    ['an image without a tag', { ...pushBody(), push_data: {} }, 'push_data.tag: '],
    ['a repository that is none', pushBody({ name: '../x' }), 'repository.name: '],
    ['no object', '[]', 'body: '],
    ['no JSON', '{"push_data":', 'body: expected JSON'],
    ['nothing', '', 'body: '],
  ])('%s is refused with 422 and the field', async (_what, body, expected) => {
    const receiver = await open();
    const answer = await post(receiver, 'prod', tokens.prod, body);
    expect(answer.statusCode).toBe(422);
    expect(answer.json().error).toContain(expected);
    expect(await receiver.queue.count()).toBe(0);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'nonsense'])(
    'of type %s is refused with 415',
    async (type) => {
      const answer = await post(await open(), 'prod', tokens.prod, pushBody(), { 'content-type': type });
      expect(answer.statusCode).toBe(415);
      expect(answer.json()).toEqual({ error: 'expected Content-Type: application/json' });
    },
  );

  test('with a charset is taken', async () => {
    const type = { 'content-type': 'application/json; charset=utf-8' };
    expect((await post(await open(), 'prod', tokens.prod, pushBody(), type)).statusCode).toBe(202);
  });

  test('of exactly 64 KiB is read, one byte more is refused with 413', async () => {
    const receiver = await open();
    const text = JSON.stringify(pushBody());
    const full = text + ' '.repeat(64 * 1024 - text.length);
    expect((await post(receiver, 'prod', tokens.prod, full)).statusCode).toBe(202);
    expect((await post(receiver, 'prod', tokens.prod, `${full} `)).statusCode).toBe(413);
  });

  test('over a real socket is refused with 413 as soon as it is announced or has grown too large', async () => {
    const receiver = await open();
    const { port } = await listen(receiver);
    const head = `POST /webhooks/acr/prod/${tokens.prod} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    const announced = await talk(port, `${head}Content-Length: 1000000\r\n\r\n{`, /too large/);
    expect(announced).toMatch(/^HTTP\/1\.1 413 /);
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    const grown = await talk(port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`, /too large/);
    expect(grown).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('over a real socket of no type is refused with 415', async () => {
    const receiver = await open();
    const { port } = await listen(receiver);
    const head = `POST /webhooks/acr/prod/${tokens.prod} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`;
    expect(await talk(port, `${head}Content-Length: 2\r\n\r\n{}`, /^$/)).toMatch(/^HTTP\/1\.1 415 /);
  });

  test('that never comes is given up', async () => {
    const receiver = await open({ limits: { requestTimeoutMs: 200 } });
    const { port } = await listen(receiver);
    const head = `POST /webhooks/acr/prod/${tokens.prod} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    expect(await talk(port, `${head}Content-Length: 20\r\n\r\n{`, /^$/)).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('what is not there', () => {
  test.each([
    ['GET', `/webhooks/acr/prod/${tokens.prod}`, 'POST'],
    ['PUT', `/webhooks/acr/prod/${tokens.prod}`, 'POST'],
    ['DELETE', '/webhooks/acr/prod/wrong', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['POST', '/readyz', 'GET, HEAD'],
  ] as const)('%s %s gets 405 with what is allowed', async (method, url, allow) => {
    const { app } = await open();
    const answer = await app.inject({ method, url, payload: 'x', headers: { 'content-type': 'text/plain' } });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe(allow);
  });

  test.each([
    ['GET', '/'],
    ['POST', '/webhooks/acr/prod'],
    ['POST', '/webhooks/acr/prod/token/more'],
    ['POST', '/webhooks/acr/prod/%zz'],
    ['GET', '/metrics'],
  ] as const)('%s %s gets 404 that repeats nothing', async (method, url) => {
    const { app } = await open();
    const answer = await app.inject({ method, url, payload: 'x', headers: { 'content-type': 'text/plain' } });
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toEqual({ error: 'not found' });
  });
});

test('an unexpected error is answered with 500 without a word of it, and logged whole', async () => {
  const receiver = await open();
  receiver.use({ ...(await readRules(rulesText())), rules: undefined as never });
  const answer = await post(receiver, 'prod', tokens.prod);
  expect(answer.statusCode).toBe(500);
  expect(answer.json()).toEqual({ error: 'internal error' });
  expect(receiver.log.join()).toMatch(/request failed/);
  expect(receiver.log.join()).toMatch(/TypeError/);
});

test('no line of the log holds a token, at any level, whatever is sent', async () => {
  const secret = 'a-token-that-must-not-be-seen';
  const receiver = await open({ limits: { wrongTokensPerMinuteMax: 2 } });
  const rules = await readRules(rulesText([secret]));
  receiver.use(rules);
  const { port, url } = await listen(receiver);
  const bodies = [pushBody(), pushBody({ tag: 'latest' }), '{', 'x'.repeat(70_000), { push_data: {} }];
  for (const body of bodies) await post(receiver, 'prod', secret, body);
  await post(receiver, 'prod', secret, 'x', { 'content-type': 'text/plain' });
  for (let count = 0; count < 4; count += 1) await post(receiver, secret, secret);
  await post(receiver, 'prod', `${secret}%zz`);
  for (const path of ['webhook/acr/prod/', 'webhooks/acr/prod/x/', 'webhooks/acr/prod/?token=']) {
    await receiver.app.inject({ method: 'POST', url: `/${path}${secret}` });
  }
  await receiver.app.inject({ method: 'GET', url: `/webhooks/acr/prod/${secret}` });
  receiver.use({ ...rules, rules: undefined as never });
  await post(receiver, 'prod', secret);
  await talk(port, `POST /webhooks/acr/prod/${secret} HTTP/1.1\r\nbroken header\r\n\r\n`, /400/);
  await fetch(`${url}/webhooks/acr/prod/${secret}`, { method: 'POST', body: '{}' });
  expect(receiver.log.length).toBeGreaterThan(8);
  expect(receiver.log.join('\n')).not.toContain(secret);
});

describe('health', () => {
  test('/healthz says that the process is alive', async () => {
    const { app } = await open();
    const answer = await app.inject('/healthz');
    expect([answer.statusCode, answer.json()]).toEqual([200, { alive: true }]);
  });

  test('/readyz says what it looked at', async () => {
    const { app } = await open();
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      ready: true,
      redis: { reachable: true, noeviction: true },
      rules: { loaded: true, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  test('/readyz names the refused files and lines, not their directories, and stays ready with the last good ones', async () => {
    const message =
      '/etc/secret-place/rules.yaml:12: rules.0.key: there is no key "x"\n/etc/teams/a.yaml:3: rules: too few';
    const { app } = await open({ refusal: { message, since: new Date('2026-01-02T03:04:05Z') } });
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json().rules.refused).toEqual({
      at: ['rules.yaml:12', 'a.yaml:3'],
      since: '2026-01-02T03:04:05.000Z',
    });
    expect(answer.body).not.toContain('secret-place');
  });
});
