import { randomBytes } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { createAcrApi } from '../../../src/alibaba/acr-api.ts';
import { type SyncTriggersOptions, syncLimits, syncTriggers } from '../../../src/triggers/sync-triggers.ts';
import type { AcrTrigger } from '../../emulator/acr/acr-triggers.ts';
import { sample } from '../../emulator/sample-config.ts';
import { type AcrOptions, allowing, startAcr } from '../../support/start-acr.ts';
import { loadText, rulesText } from '../../unit/rules/rules-text.ts';
import { allTextOf } from '../alibaba/account.ts';

const token = randomBytes(32).toString('base64url');
const url = `https://hooks.example.com/webhooks/acr/lab/${token}`;
const writes = ['CreateRepoTrigger', 'UpdateRepoTrigger', 'DeleteRepoTrigger'];
const reads = ['cr:ListNamespace', 'cr:ListRepository', 'cr:ListWebHook'];
const repositories = `acs:cr:${sample.region}:${sample.accountId}:repository/cri-emulated`;
const theirs: AcrTrigger = {
  triggerId: 'crw-theirs',
  name: 'ci',
  url: 'https://ci.example.com/hook?secret=theirs',
  type: 'ALL',
  tag: '*',
};

type AtEnd = (cleanUp: () => Promise<void>) => void;
type Change = Partial<Omit<SyncTriggersOptions, 'api'>>;

/** An instance with a namespace that the rule covers and one that it does not, two repositories in each. */
async function open(
  atEnd: AtEnd,
  options: Partial<AcrOptions> = {},
  policiesFor?: (covered: string) => NonNullable<AcrOptions['policies']>,
) {
  const suffix = randomBytes(4).toString('hex');
  const covered = `prod-${suffix}`;
  const other = `team-${suffix}`;
  const policies = policiesFor && { policies: policiesFor(covered) };
  const setting = await startAcr({
    upstream: inject('fallbackHost'),
    namespaces: [covered, other],
    ...options,
    ...policies,
  });
  atEnd(setting.stop);
  const { emulator, instance } = setting;
  for (const name of ['app', 'deep/er/app']) {
    instance.setRepository(`${covered}/${name}`, {});
    instance.setRepository(`${other}/${name}`, {});
  }
  const rule = `, key: dev, algorithm: ECDSA_SHA_256, namespaces: { include: [${covered}] }, tags: { include: ["v*"] }`;
  const ruleSet = await loadText(rulesText({ rule }));
  const credentials = async () => setting.credentials;
  const limits = { triesMax: 2, tryAgainAfterMs: 1 };
  const api = createAcrApi({
    instanceId: instance.instanceId,
    endpoint: emulator.url,
    credentials: { credentials, forget: () => undefined },
    limits,
  });
  const sync = (change: Change = {}) => {
    const { signal } = new AbortController();
    return syncTriggers({ api, ruleSet, registry: 'lab', url, dryRun: false, signal, ...change });
  };
  const called = () => emulator.calls.map(({ action }) => action).filter((action) => writes.includes(action));
  const standing = (repository: string) => instance.triggersOf(repository);
  const [app, deep] = [`${covered}/app`, `${covered}/deep/er/app`];
  return { ...setting, sync, called, standing, app, deep, otherApp: `${other}/app` };
}

const ours = { name: 'autosign-lab', url, type: 'TAG_REG_EXP', tag: '^(?:v.*)$' };
const made = { kind: 'create', type: 'TAG_REG_EXP', tag: '^(?:v.*)$' };

describe.concurrent('the triggers of an instance', () => {
  test('are made for every repository that a rule covers, and for no other', async ({ onTestFinished }) => {
    const { sync, standing, app, deep, otherApp } = await open(onTestFinished);
    expect(await sync()).toEqual({
      looked: 2,
      repositories: [
        { repository: app, changes: [made] },
        { repository: deep, changes: [made] },
      ],
    });
    expect(standing(app)).toMatchObject([ours]);
    expect(standing(deep)).toMatchObject([ours]);
    expect(standing(otherApp)).toEqual([]);
  });

  test('are the same after a second run, which changes nothing', async ({ onTestFinished }) => {
    const { sync, called, standing, app } = await open(onTestFinished);
    await sync();
    const before = [...standing(app)];
    expect(await sync()).toEqual({ looked: 2, repositories: [] });
    expect({ called: called().length, after: standing(app) }).toEqual({ called: 2, after: before });
  });

  test('are told and not changed by a dry run', async ({ onTestFinished }) => {
    const { sync, called, standing, app, deep } = await open(onTestFinished);
    expect((await sync({ dryRun: true })).repositories).toEqual([
      { repository: app, changes: [made] },
      { repository: deep, changes: [made] },
    ]);
    expect({ called: called(), standing: standing(app) }).toEqual({ called: [], standing: [] });
  });

  test('of others stay as they are, whatever is done', async ({ onTestFinished }) => {
    const { sync, standing, app, otherApp } = await open(onTestFinished);
    standing(app).push(theirs);
    standing(otherApp).push({ ...theirs, url });
    await sync();
    expect(standing(app)).toEqual([theirs, expect.objectContaining(ours)]);
    await sync({ url: undefined });
    expect(standing(app)).toEqual([theirs]);
    expect(standing(otherApp)).toEqual([{ ...theirs, url }]);
  });

  test('are set right in their place when token, address, name or tags differ', async ({ onTestFinished }) => {
    const { sync, called, standing, app, deep } = await open(onTestFinished);
    const old = 'http://old.example.com:8080/webhooks/acr/lab/another-token';
    standing(app).push({ triggerId: 'crw-1', name: 'autosign', url: old, type: 'ALL', tag: '*' });
    standing(deep).push({ triggerId: 'crw-2', ...ours, type: 'TAG_REG_EXP', url: `${url}x` });
    expect((await sync()).repositories).toEqual([
      {
        repository: app,
        changes: [{ ...made, kind: 'update', trigger: 'crw-1', fields: ['name', 'url', 'type', 'tag'] }],
      },
      { repository: deep, changes: [{ ...made, kind: 'update', trigger: 'crw-2', fields: ['url'] }] },
    ]);
    expect(standing(app)).toEqual([{ triggerId: 'crw-1', ...ours }]);
    expect(called()).toEqual(['UpdateRepoTrigger', 'UpdateRepoTrigger']);
  });

  test('of ours are one after there were several', async ({ onTestFinished }) => {
    const { sync, standing, app } = await open(onTestFinished);
    const right: AcrTrigger = { triggerId: 'crw-2', ...ours, type: 'TAG_REG_EXP' };
    standing(app).push({ ...right, triggerId: 'crw-1', url: `${url}x` }, right, { ...right, triggerId: 'crw-3' });
    await sync();
    expect(standing(app)).toEqual([right]);
  });

  test('of ours are taken away in the whole instance, without a token', async ({ onTestFinished }) => {
    const { sync, standing, app, otherApp } = await open(onTestFinished);
    await sync();
    standing(otherApp).push({ triggerId: 'crw-left', ...ours, type: 'TAG_REG_EXP' });
    const report = await sync({ url: undefined });
    expect(report.looked).toBe(4);
    expect(report.repositories.map(({ changes }) => changes.map(({ kind }) => kind))).toEqual([
      ['delete'],
      ['delete'],
      ['delete'],
    ]);
    expect([...standing(app), ...standing(otherApp)]).toEqual([]);
  });

  test('are made for a repository that is new', async ({ onTestFinished }) => {
    const { sync, standing, instance, app } = await open(onTestFinished);
    await sync();
    const added = app.replace('/app', '/new');
    instance.setRepository(added, {});
    expect(await sync()).toEqual({ looked: 3, repositories: [{ repository: added, changes: [made] }] });
    expect(standing(added)).toMatchObject([ours]);
  });
});

describe.concurrent('what fails', () => {
  test('for one repository is told and stops no other; the next run makes it good', async ({ onTestFinished }) => {
    const { sync, emulator } = await open(onTestFinished);
    emulator.acr.faults.failInsideNext = { count: 1, code: 'REPO_BUSY', action: 'CreateRepoTrigger' };
    const { looked, repositories, error } = await sync();
    expect({ looked, error }).toEqual({ looked: 2, error: undefined });
    expect(repositories.map((each) => each.changes.length).sort()).toEqual([0, 1]);
    const [failed] = repositories.filter((each) => each.error !== undefined);
    expect(failed?.error?.message).toMatch(/CreateRepoTrigger.*REPO_BUSY/);
    expect((await sync()).repositories).toEqual([{ repository: failed?.repository, changes: [made] }]);
  });

  test('for the lack of a right names the action, for each repository', async ({ onTestFinished }) => {
    const { sync, called } = await open(onTestFinished, { policies: [allowing(reads, '*')] });
    const { repositories } = await sync();
    for (const { error } of repositories) {
      expect(error).toMatchObject({ code: 'registry-denied' });
      expect(error?.message).toMatch(/CreateRepoTrigger at .*NoPrivilege.*Allow/);
    }
    expect(called()).toHaveLength(2);
  });

  test('when repositories cannot be listed ends it, and says why', async ({ onTestFinished }) => {
    const { sync, called } = await open(onTestFinished, { policies: [allowing('cr:ListWebHook', '*')] });
    const { looked, repositories, error } = await sync();
    expect({ looked, repositories, called: called() }).toEqual({ looked: 0, repositories: [], called: [] });
    expect(error).toMatchObject({ code: 'registry-denied', message: expect.stringContaining('ListNamespace') });
  });

  test('when one namespace may not be listed is told, and the others are done', async ({ onTestFinished }) => {
    const policiesFor = (covered: string) => [
      allowing(reads, [repositories, `${repositories}/${covered}/*`]),
      allowing('cr:*WebHook', '*'),
    ];
    const { sync, standing, app, deep, otherApp } = await open(onTestFinished, {}, policiesFor);
    expect(await sync()).toMatchObject({ looked: 2, repositories: [{ changes: [made] }, { changes: [made] }] });
    const report = await sync({ url: undefined });
    const other = otherApp.replace('/app', '/*');
    expect(report.repositories.map(({ repository }) => repository)).toEqual([app, deep, other]);
    expect({ looked: report.looked, error: report.error, left: standing(app) }).toEqual({ looked: 2, left: [] });
    expect(report.repositories[2]?.error).toMatchObject({ code: 'registry-denied' });
  });

  test('again and again for the sake of the registry ends it', async ({ onTestFinished }) => {
    const { sync, emulator, instance, app } = await open(onTestFinished);
    for (let number = 0; number < 10; number += 1) instance.setRepository(`${app}-${number}`, {});
    const count = Number.POSITIVE_INFINITY;
    emulator.faults.failNext = { count, status: 503, code: 'ServiceUnavailable', action: 'ListRepoTrigger' };
    const limits = { ...syncLimits, repositoriesAtOnce: 1, failuresInARowMax: 3 };
    const { looked, error } = await sync({ limits });
    expect({ looked, code: error?.code }).toEqual({ looked: 3, code: 'registry-unreachable' });
  });

  test('never quotes the token, not even when the answer does', async ({ onTestFinished }) => {
    const { sync, emulator } = await open(onTestFinished);
    const body = JSON.stringify({
      Code: 'InvalidParameter',
      Message: `TriggerUrl ${url} is bad: ${token}`,
      RequestId: '1',
    });
    emulator.faults.failNext = { count: 2, status: 400, code: '', body, action: 'CreateRepoTrigger' };
    const { repositories } = await sync();
    expect(repositories).toHaveLength(2);
    for (const { error } of repositories) expect(allTextOf(error)).not.toContain(token);
    // Its place is told, or it would be no test of that.
    for (const { error } of repositories) expect(error?.message).toContain('is bad');
  });

  test('by being stopped ends with the reason, and nothing is begun any more', async ({ onTestFinished }) => {
    const { sync, called } = await open(onTestFinished);
    await expect(sync({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
    expect(called()).toEqual([]);
  });
});

test('calls for triggers are made one after the other at a distance', async ({ onTestFinished }) => {
  const { sync, emulator, instance, app } = await open(onTestFinished);
  for (let number = 0; number < 4; number += 1) instance.setRepository(`${app}-${number}`, {});
  await sync({ limits: { ...syncLimits, callsPerSecondMax: 20 }, dryRun: true });
  const times = emulator.calls.filter(({ action }) => action === 'ListRepoTrigger').map(({ atMs }) => atMs);
  expect(times).toHaveLength(6);
  // Five distances of 50 ms between the first and the last; timers may be a little early.
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(200);
});
