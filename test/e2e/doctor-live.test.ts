import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import { startAutosign } from '../../infra/demo/autosign.ts';
import { freePort } from '../../infra/processes/free-port.ts';
import type { RunningProcess } from '../../infra/processes/start-process.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { newWebhookToken } from '../../src/commands/token.ts';
import type { Fact, LiveReport } from '../../src/doctor/live/fact.ts';
import { createEventBridge } from '../emulator/event-bridge.ts';
import { sample } from '../emulator/sample-config.ts';
import { uniqueRepository } from '../support/names.ts';
import { type AcrOptions, allowing, startAcr } from '../support/start-acr.ts';
import { createLab } from './lab.ts';
import { waitUntil } from './wait-until.ts';

const upstream = inject('fallbackHost');
const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json';
const url = 'https://hooks.example.com/webhooks/eventbridge/lab';

interface Options {
  readonly withServe?: boolean;
  /** Whether a rule covers the scratch repository. */
  readonly covered?: boolean;
  readonly policies?: AcrOptions['policies'];
}

/** An account with an instance, a scratch repository with a trigger, EventBridge, Redis and a receiver. */
async function openSetting({ withServe = true, covered = false, policies }: Options = {}) {
  const atEnd = (cleanUp: () => Promise<void>) => onTestFinished(cleanUp);
  const repository = uniqueRepository('scratch', uniqueRepository('live', 'x').slice(2));
  const namespace = repository.slice(0, repository.indexOf('/'));
  const redis = await startRedis({ appendOnly: false });
  atEnd(() => redis.stop());
  const acr = await startAcr({ upstream, namespaces: [namespace], ...(policies && { policies }) });
  atEnd(acr.stop);
  const { emulator, instance } = acr;
  const eventBridge = await createEventBridge({ region: 'cn-hangzhou', accountId: sample.accountId });
  const event = newWebhookToken('lab');
  const lab = await createLab(
    {
      registries: { lab: instance.registry.host },
      redisUrl: redis.url,
      namespace: covered ? namespace : 'elsewhere',
      fields: {
        lab: {
          acr: { instanceId: instance.instanceId, region: 'cn-hangzhou', endpoint: emulator.url },
          realms: [instance.registry.realm],
          webhook: { tokenSha256: [newHookToken().tokenSha256] },
          eventBridge: {
            ...{ url, accountId: sample.accountId, tokenSha256: [event.tokenSha256] },
            certificateFile: 'eventbridge.pem',
          },
        },
      },
    },
    atEnd,
  );
  await writeFile(join(lab.directory, 'eventbridge.pem'), eventBridge.certificatePem);
  const port = await freePort();
  const env = { ...lab.environment, ...acr.workerEnvironment, AUTOSIGN_PORT: `${port}` };
  instance.setRepository(repository, {});
  const hook = `http://127.0.0.1:${port}/webhooks/acr/lab/${newHookToken().token}`;
  const RepoId = instance.describe(repository).repoId;
  await acr.call('CreateRepoTrigger', {
    ...{ RepoId, TriggerName: 'ours', TriggerUrl: hook, TriggerType: 'TAG_REG_EXP', TriggerTag: '.*' },
  });
  const serve = withServe ? await lab.start('serve', env) : undefined;
  const secrets = [hook, newHookToken().token, event.token, ...Object.values(acr.workerEnvironment)];

  const doctor = async (target: string, ...args: string[]) => {
    const command = ['doctor', '--live', target, ...args];
    const started = await startAutosign({ args: command, env: { ...env, AUTOSIGN_PORT: '0' } });
    onTestFinished(() => started.stop(0).then(() => undefined));
    return started;
  };
  const endOf = async (started: RunningProcess) => {
    const { code } = await started.exited;
    const output = [...started.stdout, ...started.stderr].join('\n');
    for (const secret of [...secrets, ...emulator.secrets]) expect(output).not.toContain(secret);
    return { code, stdout: started.stdout.join('\n'), stderr: started.stderr.join('\n') };
  };
  /** The tag of the image that was pushed. */
  const pushedTag = async (): Promise<string> => {
    const pushed = await waitUntil(
      async () =>
        instance.registry.calls.find(
          ({ method, path, status }) =>
            method === 'PUT' && /\/manifests\/autosign-doctor-/.test(path) && status === 201,
        ),
      (call) => call !== undefined,
    );
    return pushed?.path.split('/').at(-1) ?? '';
  };
  const deliverEvent = async (tag: string) => {
    const told = eventBridge.event({ instanceId: instance.instanceId, repository, tag });
    const to = `${serve?.url}/webhooks/eventbridge/lab`;
    return eventBridge.deliver(told, { url, token: event.token, to, endsWithLineFeed: true });
  };
  /** What stands in the registry, and what the doctor and the receiver keep in Redis. */
  const leftovers = async () => {
    const client = new Redis(redis.url);
    const keys = (await client.keys('*')).filter((key) => /capture/.test(key));
    client.disconnect();
    const answer = await fetch(`http://${upstream}/v2/${repository}/tags/list`);
    const { tags } = (await answer.json()) as { readonly tags?: readonly string[] | null };
    const paths = instance.registry.calls.map(({ path }) => path).filter((path) => path.includes('/manifests/sha256:'));
    const found = await Promise.all(
      [...new Set(paths)].map(async (path) => {
        const { status } = await fetch(`http://${upstream}${path}`, { headers: { accept } });
        return status === 404 ? [] : [path];
      }),
    );
    const triggers = instance.triggersOf(repository).map(({ name }) => name);
    return { keys, tags: tags ?? [], manifests: found.flat(), triggers };
  };
  return { ...acr, repository, doctor, endOf, pushedTag, deliverEvent, leftovers };
}

const hookToken = newWebhookToken('lab');
const newHookToken = () => hookToken;
const nothing = { keys: [], tags: [], manifests: [], triggers: ['ours'] };

function factOf({ facts }: Pick<LiveReport, 'facts'>, id: string): Fact {
  const found = facts.find((fact) => fact.id === id);
  if (found === undefined) throw new Error(`no fact ${id}`);
  return found;
}

test('sees webhook, event, signatures and lists, says all of it without a secret, and leaves nothing', async () => {
  const { repository, doctor, endOf, pushedTag, deliverEvent, leftovers, instance } = await openSetting();
  const running = await doctor(`lab/${repository}`, '--wait', '4s', '--triggers', '--json');
  const tag = await pushedTag();
  expect((await deliverEvent(tag)).status).toBe(202);
  expect((await deliverEvent(tag)).status).toBe(202);
  const { code, stdout, stderr } = await endOf(running);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout) as LiveReport & { readonly tag: string; readonly rules: readonly string[] };
  expect(report).toMatchObject({ tag, rules: [], left: [] });
  const observed = Object.fromEntries(report.facts.map((fact) => [fact.id, fact.observed]));
  expect(observed).toMatchObject({
    'webhook-latency': expect.stringMatching(/^-?\d+\.\d s, by the clocks/),
    'webhook-sender': expect.stringMatching(
      /^from 127\.0\.0\.1 with user-agent ".+" and content-type "application\/json"$/,
    ),
    'webhook-fields': 'only the documented ones',
    'webhook-digest': 'push_data.digest, with "sha256:"',
    'webhook-times': expect.stringMatching(/^push_data\.pushed_at: says no zone, fits UTC\+8 \(then -?\d\.\d s/),
    'webhook-repeats': 'once',
    'webhook-of-untagged': 'no, none came within 4 s',
    'webhook-of-signature': 'no, none came within 4 s',
    'webhook-of-signature-tag': 'yes, 2 came',
    'event-data': 'InstanceName, InstanceId, RepoNamespaceName, RepoName, RepoId, RegionId, Tag',
    'event-digest': 'it does not hold the digest',
    'event-signed-form': 'with a line feed after the body',
    'event-repeats': '2 times, with 2 different ids',
    'event-of-signature-tag': 'no, none came within 4 s',
    'oci-subject': 'no',
    'referrers-api': 'there is no such API',
    'signature-tags': 'sha256-<hex> with 2 entries',
    'second-signature': 'yes, and it was found and verified',
    catalog: expect.stringMatching(/^(?:yes|no \(.*\))$/),
    delete: 'deleted',
    'signature-after-image': 'yes',
    'tag-list-digest': 'without "sha256:"',
    'image-update': expect.stringMatching(/^-?\d\.\d s after the push, .* a string$/),
    'tag-count': 'TotalCount 2 (a string), 2 entries on the first page; a signature tag was pushed and is listed',
    'tag-immutability': 'no',
    'trigger-types': 'TAG_LIST: taken; TAG_LISTTAG: taken',
    throttling: 'not provoked',
  });
  expect(factOf(report, 'webhook-fields').evidence).toContain('repository.repo_full_name: <namespace>/<repository>');
  expect(factOf(report, 'event-data').evidence).toEqual(
    expect.arrayContaining(['aliyunaccountid: <account id>', 'data.InstanceId: <instance id>', 'data.Tag: <tag>']),
  );
  const evidence = report.facts.flatMap((fact) => fact.evidence).join('\n');
  for (const own of [instance.instanceId, sample.accountId, repository]) expect(evidence).not.toContain(own);
  expect(await leftovers()).toEqual(nothing);
});

test('without a receiver it says what was not seen, and signs and cleans up all the same', async () => {
  const { repository, doctor, endOf, leftovers, instance } = await openSetting({ withServe: false });
  const running = await doctor(`${instance.registry.host}/${repository}`, '--wait', '1s');
  const { code, stdout } = await endOf(running);
  expect(code).toBe(0);
  expect(stdout).toContain('No rule covers it');
  expect(stdout).toMatch(/webhook-latency: .*\n {6}not seen within 1 s/);
  expect(stdout).toMatch(/event-data: .*\n {6}not seen within 1 s/);
  expect(stdout).toMatch(/webhook-of-signature-tag: .*\n {6}not seen within 1 s/);
  expect(stdout).toMatch(/second-signature: .*\n {6}yes/);
  expect(stdout).toMatch(/trigger-types: .*\n {6}not tried \(--triggers does\); standing ones have TAG_REG_EXP/);
  expect(await leftovers()).toEqual(nothing);
});

test('cleans up after Ctrl-C; until then a second one is turned away', async () => {
  const { repository, doctor, endOf, pushedTag, leftovers } = await openSetting({ covered: true });
  const running = await doctor(`lab/${repository}`, '--wait', '3m');
  await pushedTag();
  await running.waitForLine((line) => line.includes('push a scratch image'), 30_000);
  const second = await endOf(await doctor(`lab/${repository}`, '--wait', '1s'));
  expect(second.code).toBe(1);
  expect(second.stdout).toContain('Another "autosign doctor --live" looks at registry lab now.');
  running.kill('SIGINT');
  const { code, stdout } = await endOf(running);
  expect(code).toBe(130);
  expect(stdout).toContain('Covered by images-of-lab: workers sign it as well');
  expect(stdout).toMatch(/stopped {2}wait for its webhook and its event/);
  expect(stdout).toContain('take all of it away: nothing of it is left');
  expect(await leftovers()).toEqual(nothing);
});

test('deletes tags by the OpenAPI where the registry deletes nothing, and names the manifests that stay', async () => {
  const { repository, doctor, endOf, leftovers, instance } = await openSetting({ withServe: false });
  instance.registry.faults.failNext = { count: 1_000, status: 405, method: 'DELETE' };
  const { code, stdout } = await endOf(await doctor(`lab/${repository}`, '--wait', '1s', '--json'));
  expect(code).toBe(1);
  const { left, facts } = JSON.parse(stdout) as LiveReport;
  expect(factOf({ facts }, 'delete').observed).toContain('405');
  const { keys, manifests } = await leftovers();
  expect({ keys, manifests: manifests.length }).toEqual({ keys: [], manifests: 6 });
  // The image, the one without a tag, two signatures and two states of the list of them.
  expect(left).toEqual(
    Array(6).fill(expect.stringMatching(new RegExp(`^${instance.registry.host}/${repository}@sha256:`))),
  );
});

test('without the right to delete it names all that it pushed', async () => {
  const policies = [
    allowing(['cr:Get*', 'cr:List*', 'cr:PullRepository', 'cr:PushRepository', 'cr:CreateWebHook'], '*'),
  ];
  const { repository, doctor, endOf, instance } = await openSetting({ withServe: false, policies });
  const { code, stdout } = await endOf(await doctor(`lab/${repository}`, '--wait', '1s'));
  expect(code).toBe(1);
  expect(stdout).toMatch(/delete: .*\n {6}registry-denied/);
  const left = stdout.slice(stdout.indexOf('left behind, to be deleted by hand'));
  expect(left).toMatch(new RegExp(`${instance.registry.host}/${repository}:autosign-doctor-`));
  expect(left).toMatch(new RegExp(`${instance.registry.host}/${repository}:sha256-`));
  expect(left.split('\n').filter((line) => line.includes('@sha256:'))).toHaveLength(6);
});

test.each([
  [
    'a registry that the rules do not have',
    ['--live', 'nowhere/x/y'],
    'the rules file has no registry "nowhere"; it has lab.',
  ],
  ['a repository without a namespace', ['--live', 'lab/y'], 'a namespace and a repository are expected'],
  ['a wait that is too long', ['--live', 'lab/x/y', '--wait', '4m'], 'a duration up to 3m is expected'],
  ['--wait without --live', ['--wait', '3s'], '--wait and --triggers go with --live'],
])('%s ends with 2 before anything is begun', async (_name, args, message) => {
  const lab = await createLab(
    {
      registries: { lab: '127.0.0.1:1' },
      redisUrl: 'redis://127.0.0.1:1',
      fields: { lab: { acr: { instanceId: 'cri-none', region: 'cn-hangzhou' } } },
    },
    (cleanUp) => onTestFinished(cleanUp),
  );
  const started = await startAutosign({ args: ['doctor', ...args], env: lab.environment });
  expect((await started.exited).code).toBe(2);
  expect(started.stderr.join('\n')).toContain(message);
});

test('rules without a rule for the registry end with 2', async () => {
  const lab = await createLab({ registries: { lab: '127.0.0.1:1' }, redisUrl: 'redis://127.0.0.1:1' }, (cleanUp) =>
    onTestFinished(cleanUp),
  );
  const text = JSON.stringify({
    version: 1,
    registries: [{ name: 'lab', host: '127.0.0.1:1', plainHttp: true }],
    keys: [],
    rules: [],
  });
  await writeFile(join(lab.directory, 'rules.yaml'), text);
  const started = await startAutosign({ args: ['doctor', '--live', 'lab/x/y'], env: lab.environment });
  expect((await started.exited).code).toBe(2);
  expect(started.stderr.join('\n')).toContain('No rule in force is for registry lab');
});
