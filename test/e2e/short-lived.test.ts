import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runAutosign, startAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { uniqueRepository } from '../support/names.ts';
import { redisContents } from '../support/redis-contents.ts';
import { filesBelow, findSecrets, type SearchedPlace } from '../support/secret-search.ts';
import { signaturesOf, startTimeoutMs, untilSigned } from './lab.ts';
import { startShortLived } from './short-lived-setting.ts';
import { waitUntil } from './wait-until.ts';

type Setting = Awaited<ReturnType<typeof startShortLived>>;

const ends: (() => Promise<unknown>)[] = [];
let setting: Setting;
let receiver: string;
let admin: string;
/** What commands and HTTP answers said. */
const said: SearchedPlace[] = [];

beforeAll(async () => {
  setting = await startShortLived((end) => ends.push(end));
  receiver = await startService('serve', '"receiver listens"', 'address', {});
  admin = await startService('work', '"worker takes jobs"', 'admin', setting.workerEnvironment);
  await waitUntil(
    async () => JSON.parse(await say('readyz', `${admin}/readyz`)),
    ({ ready, preparing }) => ready && preparing.length === 0,
  );
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

async function startService(command: string, message: string, field: string, env: Record<string, string>) {
  const started = await startAutosign({
    args: [command],
    env: { ...setting.environment, ...env, AUTOSIGN_STATE_DIR: join(setting.directory, command) },
    logFile: join(setting.directory, `${command}.log`),
  });
  ends.push(() => started.stop());
  const line = await started.waitForLine((text) => text.includes(message), startTimeoutMs);
  return JSON.parse(line)[field];
}

async function say(name: string, url: string, init?: RequestInit): Promise<string> {
  const answer = await fetch(url, init);
  const content = await answer.text();
  said.push({ name, content: `${JSON.stringify([...answer.headers])}\n${content}` });
  return content;
}

async function run(args: string[], expected: number[]): Promise<void> {
  const env = { ...setting.environment, ...setting.workerEnvironment };
  said.push({ name: `autosign ${args.join(' ')}`, content: await runAutosign({ args, env }, expected) });
}

async function push(repository: string) {
  const image = await pushImage({ host: setting.upstream.host, repository, tag: 'v1', kind: 'oci-manifest' });
  const [namespace, name] = repository.split('/');
  await say('the answer to a webhook', `${receiver}${setting.token.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ push_data: { tag: 'v1' }, repository: { namespace, name } }),
  });
  return image;
}

/** Pushes under a fault and waits until it has hit. */
async function pushUnder(fault: () => void) {
  const repository = uniqueRepository();
  const hits = () =>
    [...setting.emulator.calls, ...setting.registry.calls].filter(({ status = 200 }) => status !== 404 && status >= 400)
      .length;
  const before = hits();
  fault();
  const image = await push(repository);
  await waitUntil(
    async () => hits(),
    (now) => now > before,
  );
  return { repository, image };
}

/** Pushes under a fault that is not for long: the image is signed all the same. */
async function signUnder(fault: () => void): Promise<void> {
  const { repository, image } = await pushUnder(fault);
  await untilSigned(setting.upstream.host, repository, image);
}

/** Everything that the run has left anywhere. */
async function places(): Promise<readonly SearchedPlace[]> {
  const redis = { name: 'Redis', content: await redisContents(setting.redis.url) };
  // Logs, state directories with the audit file, rules and certificates, and every blob and link of the registry.
  return [...(await filesBelow(setting.directory)), redis, ...said];
}

describe('a run with short-lived credentials alone', () => {
  test('signs what is pushed, also after refusals and failures of everything that credentials are shown to', async () => {
    const repository = uniqueRepository();
    const image = await push(repository);
    await untilSigned(setting.upstream.host, repository, image);
    const { emulator, registry } = setting;
    await signUnder(() => emulator.expireSessions());
    await signUnder(() => {
      emulator.acr.expireLogins();
      emulator.acr.expireTokens();
      emulator.faults.throttleNext = 1;
    });
    await signUnder(() => {
      emulator.faults.failNext = { count: 1, status: 502, code: 'x', body: '<html>Bad gateway</html>' };
    });
    await signUnder(() => {
      emulator.faults.failNext = { count: 1, status: 400, code: 'SignatureDoesNotMatch' };
    });

    await pushUnder(() => {
      registry.faults.failNext = { count: 1, status: 403 };
    });
    await waitUntil(
      () => say('metrics', `${admin}/metrics`),
      (metrics) => metrics.includes('\nautosign_dead_letters 1\n'),
    );

    const signed = `${registry.host}/${repository}:v1`;
    await run(['verify', signed, '--json'], [0]);
    await run(['status', signed, '--json'], [0]);
    await run(['dead', 'list', '--json'], [0]);
    await run(['ram', 'print'], [0]);
    await say('readyz of the receiver', `${receiver}/readyz`);
    expect(await signaturesOf(setting.upstream.host, repository, image)).toBe(1);
    // Whoever was asked was asked by a session; only the cluster, which gives the worker its own, has a key that stays.
    const callers = emulator.calls.filter(({ caller }) => caller !== undefined && !caller.includes(':assumed-role/'));
    expect(callers.every(({ action, query }) => action === 'AssumeRole' && query['RoleSessionName'] === 'pod')).toBe(
      true,
    );
  }, 240_000);

  test('leaves none of them in any log, job, error, artifact, answer or file', async () => {
    const secrets = setting.secrets();
    // Of the worker's own session, the key's session, the login and bearer tokens at least, renewed after each fault.
    expect(secrets.length).toBeGreaterThan(10);
    const searched = await places();
    const names = searched.map(({ name }) => name);
    for (const some of ['serve.log', 'work.log', 'audit.jsonl', 'Redis', 'metrics', '/data']) {
      expect(
        names.some((name) => name.includes(some)),
        some,
      ).toBe(true);
    }
    expect(findSecrets(secrets, searched)).toEqual([]);
    const texts = searched.map(({ content }) => Buffer.from(content).toString('latin1'));
    for (const text of texts) expect(/PRIVATE KEY|Bearer ey|Basic [A-Za-z0-9+/]{20}/.test(text)).toBe(false);
  });

  test('would be found out, whatever it had left one in', async () => {
    const [first, , , ...rest] = setting.secrets();
    const secret = rest.at(0);
    if (first === undefined || secret === undefined) throw new Error('there are no secrets');
    const redis = new Redis(setting.redis.url);
    await redis.hset(
      '{autosign-0}:leak',
      'data',
      JSON.stringify({ login: Buffer.from(`x:${secret.value}`).toString('base64') }),
    );
    redis.disconnect();
    const image = Buffer.from(`{"url":"https://kms/?SecurityToken=${encodeURIComponent(secret.value)}"}`);
    const places: SearchedPlace[] = [
      { name: 'Redis', content: await redisContents(setting.redis.url) },
      { name: 'a blob', content: image },
      { name: 'a log', content: `POST /webhooks/acr/prod/${first.value} 202` },
      { name: 'a clean log', content: await readFile(join(setting.directory, 'work.log')) },
    ];
    expect(findSecrets([first, secret], places)).toEqual([
      `Redis: ${secret.name}`,
      `a blob: ${secret.name}`,
      `a log: ${first.name}`,
    ]);
  });
});
