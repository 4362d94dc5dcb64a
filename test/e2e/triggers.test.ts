import { readFile, writeFile } from 'node:fs/promises';
import { expect, inject, test } from 'vitest';
import { startAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { freePort } from '../../infra/processes/free-port.ts';
import { uniqueRepository } from '../support/names.ts';
import { type AcrSetting, startAcr } from '../support/start-acr.ts';
import { createLab, untilSigned } from './lab.ts';
import { waitUntil } from './wait-until.ts';

/** As a client does that logs in with GetAuthorizationToken and pushes by the bearer token of the realm. */
async function bearerFor(setting: AcrSetting, repository: string): Promise<string> {
  const { username, password } = await setting.login();
  const url = new URL(setting.instance.registry.realm);
  url.searchParams.set('service', setting.instance.service);
  url.searchParams.set('scope', `repository:${repository}:pull,push`);
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  const answer = await fetch(url, { headers: { authorization: `Basic ${basic}` } });
  return `Bearer ${((await answer.json()) as { readonly token: string }).token}`;
}

/** An instance, a receiver with a worker beside it, and rules that say what triggers call. */
async function startService(atEnd: (cleanUp: () => Promise<void>) => void) {
  const namespace = uniqueRepository('triggers', 'x').slice(2);
  const upstream = inject('fallbackHost');
  const setting = await startAcr({ upstream, namespaces: [namespace] });
  atEnd(setting.stop);
  const { emulator, instance } = setting;
  const lab = await createLab({ registries: { lab: instance.registry.host }, namespace }, atEnd);
  const port = await freePort();
  // The lab's rules are JSON; the token of its webhook is known by the path that it posts to.
  const rulesFile = lab.environment['AUTOSIGN_RULES'] ?? '';
  const rules = JSON.parse(await readFile(rulesFile, 'utf8'));
  Object.assign(rules.registries[0], {
    acr: { instanceId: instance.instanceId, region: 'cn-hangzhou', endpoint: emulator.url },
    realms: [instance.registry.realm],
  });
  Object.assign(rules.registries[0].webhook, { url: `http://127.0.0.1:${port}`, tokenEnv: 'HOOK_TOKEN' });
  await writeFile(rulesFile, JSON.stringify(rules));
  const environment = {
    ...lab.environment,
    ...setting.workerEnvironment,
    AUTOSIGN_PORT: `${port}`,
    HOOK_TOKEN: lab.token(),
    // So that nothing but a trigger can have an image signed.
    AUTOSIGN_RECONCILE_INTERVAL: '24h',
  };
  const push = async (repository: string, tag: string) => {
    const authorization = await bearerFor(setting, repository);
    return pushImage({ host: instance.registry.host, repository, tag, kind: 'oci-manifest', authorization });
  };
  return { ...setting, lab, environment, namespace, upstream, push };
}

test('a trigger that was made calls the receiver, and the image is signed', async ({ onTestFinished }) => {
  const { lab, environment, instance, namespace, upstream, push } = await startService(onTestFinished);
  const [first, later] = [`${namespace}/first`, `${namespace}/later/app`];
  instance.setRepository(first, {});
  const sync = await startAutosign({ args: ['triggers', 'sync'], env: environment });
  if ((await sync.exited).code !== 0) throw new Error(sync.stderr.join('\n') + sync.stdout.join('\n'));
  const service = await lab.start('up', { ...environment, AUTOSIGN_TRIGGERS_INTERVAL: '1s' });
  await untilSigned(upstream, first, await push(first, 'v1'));

  // One that comes while the service runs gets its trigger from the schedule.
  instance.setRepository(later, {});
  await waitUntil(
    async () => instance.triggersOf(later).length,
    (count) => count === 1,
  );
  await untilSigned(upstream, later, await push(later, 'v1'));
  await waitUntil(
    async () => instance.registry.deliveries.filter(({ tag, status }) => tag === 'v1' && status === 202),
    (delivered) => delivered.length === 2,
  );
  expect([...service.process.stdout, ...service.process.stderr, ...sync.stdout].join('\n')).not.toContain(lab.token());
});
