import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { type RunningRegistry, startDockerRegistry } from '../../../infra/processes/start-docker-registry.ts';
import { planRam } from '../../../src/alibaba/ram/ram-plan.ts';
import type { RamRole } from '../../../src/alibaba/ram/ram-roles.ts';
import { openAcrApi } from '../../../src/commands/acr-access.ts';
import { createKeyOpener } from '../../../src/commands/open-keys.ts';
import { openRegistries } from '../../../src/commands/open-registries.ts';
import { acrChecks } from '../../../src/doctor/check-acr.ts';
import { digestOf, sha256Hex } from '../../../src/domain/digest.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import type { SubjectLock } from '../../../src/ports/subject-lock.ts';
import { syncTriggers } from '../../../src/triggers/sync-triggers.ts';
import { cutsOf } from '../../support/ram-cuts.ts';
import { failureOf } from './account.ts';
import { identityArn, namespaces, type RamAccount, ramRules, startRamAccount } from './ram-account.ts';

// What `ram print` says is all that the emulated RAM is given, and the service's own code does its work under it.

let upstream: RunningRegistry;
beforeAll(async () => {
  upstream = await startDockerRegistry();
  for (const namespace of namespaces) {
    await pushImage({ host: upstream.host, repository: `${namespace}/app`, tag: 'v1', kind: 'oci-manifest' });
  }
});
afterAll(() => upstream.stop());

const noLock: SubjectLock = { hold: () => Promise.reject(new Error('nothing here needs a lock')) };

function registryOf({ ruleSet, base }: RamAccount) {
  const opened = openRegistries(ruleSet, undefined, { lock: noLock, env: {}, base, clock: systemClock }).get('prod');
  if (opened === undefined) throw new Error('the rules have no registry prod');
  onTestFinished(() => opened.client.close());
  return opened;
}

function apiOf({ ruleSet, base }: RamAccount) {
  const acr = ruleSet.registries.get('prod')?.acr;
  if (acr === undefined) throw new Error('the registry prod has no acr');
  return openAcrApi(acr, { base, clock: systemClock, sessionPolicy: undefined });
}

async function all<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Looks whether the keys are the right ones, and signs, as a worker does. */
async function useKeys({ emulator, ruleSet, base }: RamAccount): Promise<void> {
  const opener = createKeyOpener(systemClock, base);
  for (const key of ruleSet.keys.values()) {
    if (key.source.kind !== 'kms') continue;
    const { keyId, keyVersionId } = key.source;
    const spki = createPublicKey(emulator.publicKey(keyId, keyVersionId)).export({ type: 'spki', format: 'der' });
    await opener.probe(key, sha256Hex(spki));
    await (await opener.open(key)).sign('ECDSA_SHA_256', Buffer.from('a message'));
  }
}

/** Logs in and reads; walks over everything; asks for the tags of a repository that no walk has named. */
async function readRegistry(account: RamAccount): Promise<void> {
  const { client, listing } = registryOf(account);
  for (const namespace of namespaces) await client.getManifest(`${namespace}/app`, 'v1');
  expect(await all(listing.listRepositories(() => true))).toHaveLength(namespaces.length);
  for (const namespace of namespaces) {
    for (const _ of ['as the walk named it', 'by its name']) {
      expect((await all(listing.listTags(`${namespace}/app`))).map(({ name }) => name)).toEqual(['v1']);
    }
  }
}

async function pushSignatures(account: RamAccount): Promise<void> {
  const { client } = registryOf(account);
  const blob = Buffer.from('part of a signature');
  for (const namespace of namespaces) await client.uploadBlob(`${namespace}/app`, blob, digestOf(blob));
}

const hook = 'https://hooks.example.com/webhooks/acr/prod/token';

/** `triggers sync`; what fails for a repository is an error here. */
async function syncOrFail(account: RamAccount, wanted: { url: string | undefined; dryRun: boolean }): Promise<void> {
  const limits = { repositoriesAtOnce: 1, callsPerSecondMax: 1_000, failuresInARowMax: 1 };
  const signal = AbortSignal.timeout(30_000);
  const options = { api: apiOf(account), ruleSet: ramRules, registry: 'prod', limits, signal, ...wanted };
  const { error, repositories } = await syncTriggers(options);
  const failure = error ?? repositories.find((report) => report.error !== undefined)?.error;
  if (failure !== undefined) throw failure;
  expect(repositories).toHaveLength(namespaces.length);
}

/** Makes the triggers, sets them right, takes them away. */
async function keepTriggers(account: RamAccount): Promise<void> {
  for (const url of [hook, `${hook}-2`, undefined]) await syncOrFail(account, { url, dryRun: false });
}

/** What doctor asks an instance, and which triggers would be made. */
async function lookAtInstance(account: RamAccount): Promise<void> {
  const api = apiOf(account);
  const { registry } = registryOf(account);
  const checks = acrChecks([{ registry, api, writesTags: async () => true }], ramRules);
  for (const check of checks) await check.run();
  await syncOrFail(account, { url: hook, dryRun: true });
}

const uses: Readonly<Record<Exclude<RamRole, 'receiver'>, readonly ((account: RamAccount) => Promise<void>)[]>> = {
  worker: [useKeys, readRegistry, pushSignatures],
  triggers: [keepTriggers],
  'read-only': [readRegistry, lookAtInstance],
};

/** How a refusal shows: most name the action; at the registry itself a token that lacks a right does. */
function refusalOf(action: string): object {
  if (action === 'cr:PullRepository' || action === 'cr:PushRepository') return { code: 'registry-denied' };
  if (action === 'sts:AssumeRole') return { code: 'role-refused', message: expect.stringContaining('AssumeRole') };
  return { message: expect.stringContaining(`Action: ${action},`) };
}

describe.each(['worker', 'triggers', 'read-only'] as const)('the policies of %s', (role) => {
  const { identities } = planRam(role, { ruleSet: ramRules, identityArn });

  async function carryOut(account: RamAccount): Promise<void> {
    for (const use of uses[role]) await use(account);
  }

  it('are enough', async () => {
    const account = await startRamAccount(identities, upstream.host);
    await carryOut(account);
    expect(account.emulator.calls.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it.each(cutsOf(identities))('are not enough without $name', async ({ identities: fewer, actions }) => {
    const account = await startRamAccount(fewer, upstream.host);
    const error = await failureOf(carryOut(account));
    const refusals = actions.map(refusalOf).map((expected) => expect.objectContaining(expected));
    expect(
      refusals.some((refusal) => refusal.asymmetricMatch(error)),
      error.message,
    ).toBe(true);
  });
});

describe('a registry with a role of its own', () => {
  const role = { roleArn: 'acs:ram::1234567890123456:role/autosign-registry', externalId: 'of-the-registry' };
  const ruleSet = {
    ...ramRules,
    registries: new Map(
      [...ramRules.registries].map(([name, entry]) => [name, { ...entry, acr: entry.acr && { ...entry.acr, role } }]),
    ),
  };
  const { identities } = planRam('worker', { ruleSet, identityArn });

  it('is used with the role’s policy alone, and the session policy that the worker sends takes nothing of it away', async () => {
    const own = identities.find(({ name }) => name === identityArn);
    expect(own?.policy?.Statement.flatMap(({ Action }) => Action)).toEqual(['sts:AssumeRole']);
    const account = await startRamAccount(identities, upstream.host, ruleSet);
    for (const use of uses.worker) await use(account);
    expect(account.emulator.calls.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it.each(cutsOf(identities.filter(({ name }) => name === role.roleArn)))('is not used without $name', async (cut) => {
    const others = identities.filter(({ name }) => name !== role.roleArn);
    const account = await startRamAccount([...others, ...cut.identities], upstream.host, ruleSet);
    for (const use of [readRegistry, pushSignatures]) {
      const error = await use(account).then(
        () => undefined,
        (caught: Error) => caught,
      );
      if (error !== undefined) return;
    }
    throw new Error('it was used all the same');
  });
});
