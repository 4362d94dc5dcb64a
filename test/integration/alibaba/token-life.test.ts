import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { type RunningRegistry, startDockerRegistry } from '../../../infra/processes/start-docker-registry.ts';
import { createAcrApi } from '../../../src/alibaba/acr-api.ts';
import { createAcrLogin } from '../../../src/alibaba/acr-login.ts';
import { createKmsKey } from '../../../src/alibaba/kms-key.ts';
import { type RenewalMargins, renewalMargins } from '../../../src/alibaba/renewed-secret.ts';
import { createRoleChain } from '../../../src/alibaba/role-chain.ts';
import { createRedisLock } from '../../../src/coordination/redis-lock.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { createRegistryClient } from '../../../src/registry/registry-client.ts';
import { registryLimits } from '../../../src/registry/registry-limits.ts';
import { createSignatureStores } from '../../../src/registry/signature-stores.ts';
import { signImage } from '../../../src/signing/sign-image.ts';
import type { RecordedCall } from '../../emulator/recorded-call.ts';
import { documentedRolePolicy, sample, sampleConfig, trustPolicy } from '../../emulator/sample-config.ts';
import { startEmulator } from '../../emulator/start-emulator.ts';
import { uniqueRepository } from '../../support/names.ts';
import { createSigningFixture } from '../../support/signing-fixture.ts';
import { signingKey } from '../../support/signing-keys.ts';
import { keySource, permanentKey, timeouts } from './account.ts';

/** An hour is 36 seconds: lifetimes are scaled by the emulator, margins and pauses here, and the clock runs for both. */
const scale = 0.01;
const hourMs = 3_600_000 * scale;
const margins: RenewalMargins = {
  lastMs: renewalMargins.lastMs * scale,
  lifeLeftAtRenewal: renewalMargins.lifeLeftAtRenewal,
  failurePauseMs: renewalMargins.failurePauseMs * scale,
};
const roles = { signer: 'acs:ram::1234567890123456:role/signer', registry: 'acs:ram::1234567890123456:role/registry' };
/** Half an hour, so that the hour sees them renewed several times. */
const sessionSeconds = 1800;
/** A token's times have whole seconds, which no scale makes shorter; and a busy machine may stand still for one. */
const wholeSecondsMs = 2_000;
const pauseBetweenPushesMs = 150;
const atOnce = 2;

let upstream: RunningRegistry;
beforeAll(async () => {
  upstream = await startDockerRegistry();
});
afterAll(() => upstream.stop());

async function startCloud() {
  const trust = trustPolicy({ RAM: [sample.worker.arn] });
  const everything = {
    Version: '1' as const,
    Statement: [{ Effect: 'Allow' as const, Action: 'cr:*', Resource: '*' }],
  };
  const { privateKeyPem } = signingKey('EC_P256');
  const { config, accessKeySecret } = sampleConfig({
    lifetimeScale: scale,
    roles: [
      { arn: roles.signer, trustPolicy: trust, policies: [documentedRolePolicy] },
      { arn: roles.registry, trustPolicy: trust, policies: [everything] },
    ],
    keys: [
      {
        keyId: sample.keys.EC_P256,
        spec: 'EC_P256',
        versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem }],
      },
    ],
    acr: { instances: [{ instanceId: 'cri-hour', upstream: upstream.host, namespaces: [{ name: 'prod' }] }] },
  });
  const emulator = await startEmulator(config);
  onTestFinished(() => emulator.close());
  return { emulator, base: permanentKey(accessKeySecret), registry: emulator.acr.instance('cri-hour').registry };
}

/** The pipeline with a key in KMS and the login of an instance, as `work` builds them, with scaled margins. */
async function startPipeline({ emulator, base, registry }: Awaited<ReturnType<typeof startCloud>>) {
  const { host, realm } = registry;
  const shared = { base, clock: systemClock, timeouts, margins };
  const kms = createKmsKey({ ...shared, source: keySource(emulator.url, { roleArn: roles.signer, sessionSeconds }) });
  const credentials = createRoleChain({
    ...shared,
    via: [],
    role: { roleArn: roles.registry, externalId: undefined },
    policy: JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action: ['cr:*'], Resource: ['*'] }] }),
    sessionSeconds,
    stsEndpoint: emulator.url,
  });
  const api = createAcrApi({ instanceId: 'cri-hour', endpoint: emulator.url, credentials });
  const client = createRegistryClient({
    registry: { host, plainHttp: true, realms: [realm] },
    login: createAcrLogin({ api, clock: systemClock, margins }),
    userAgent: 'test',
    limits: { tokenMarginMs: registryLimits.tokenMarginMs * scale + wholeSecondsMs },
  });
  const fixture = await createSigningFixture({ redisUrl: inject('redisUrl'), host });
  const lock = createRedisLock({ ...fixture, leaseMs: 30_000, deadlineMs: 25_000, waitMs: 60_000 });
  onTestFinished(async () => {
    await client.close();
    await fixture.close();
  });
  const ready = fixture.tools.keyRing.get('release', 'notation');
  if (ready?.state !== 'ready') throw new Error('the key is not ready');
  const keyRing: typeof fixture.tools.keyRing = {
    get: () => ({ ...ready, signingKey: { ...ready.signingKey, signer: kms } }),
  };
  const tools = {
    ...fixture.tools,
    keyRing,
    stores: createSignatureStores({ client, lock }),
    resolve: (repository: string, tag: string) => client.getManifest(repository, tag),
  };
  return (repository: string, tag: string) =>
    signImage({ registry: fixture.registry, repository, tag, cause: 'push' }, tools);
}

/** When calls of one kind were made, in milliseconds since 1970. */
function timesOf(calls: readonly RecordedCall[], action: string, query: Readonly<Record<string, string>> = {}) {
  return calls
    .filter(
      (call) => call.action === action && Object.entries(query).every(([name, value]) => call.query[name] === value),
    )
    .map(({ atMs }) => atMs);
}

/**
 * That each was followed by the next one well before it was over: nobody waited for that. Renewal begins with a third of the
 * life left; a busy machine may take some of it.
 */
function expectNoGap(times: readonly number[], lifeMs: number, endMs: number, renewalsMin: number): void {
  expect(times.length).toBeGreaterThan(renewalsMin);
  const gaps = [...times, endMs].slice(1).map((time, index) => time - (times[index] ?? 0));
  for (const gap of gaps) expect(gap).toBeLessThan(lifeMs * 0.85);
}

it('signs every image of an hour of pushes at once, while sessions, logins and tokens are renewed under it', async () => {
  const cloud = await startCloud();
  const sign = await startPipeline(cloud);
  const repositories = [uniqueRepository(), uniqueRepository()];
  const outcomes: string[] = [];
  const pushAndSign = async (count: number) => {
    const repository = repositories[count % repositories.length] ?? '';
    const tag = `v${count}`;
    await pushImage({ host: upstream.host, repository, tag, kind: 'oci-manifest' });
    // The first run of its job, and the only one: an image that needed a second would be late.
    const { outcome, failures } = await sign(repository, tag);
    for (const { error } of failures) throw error;
    outcomes.push(outcome.status === 'examined' ? (outcome.intents[0]?.status ?? 'none') : outcome.status);
  };

  await pushAndSign(0);
  const beginMs = Date.now();
  let count = 0;
  const stream = async () => {
    while (Date.now() - beginMs < hourMs) {
      count += 1;
      await pushAndSign(count);
      await delay(pauseBetweenPushesMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, stream));
  const endMs = Date.now();

  expect(outcomes.length).toBe(count + 1);
  expect(new Set(outcomes)).toEqual(new Set(['signed']));

  // Nothing was refused: the registry's challenge to the very first request, which has no token yet, is no refusal.
  const { calls } = cloud.emulator;
  expect(calls.filter(({ status }) => status !== 200)).toEqual([]);
  const refused = cloud.registry.calls.filter(({ status = 0 }) => [401, 403, 429].includes(status) || status >= 500);
  expect(refused).toEqual([cloud.registry.calls[0]]);

  // Everything was renewed, and what each push needs before its end.
  const lifeMs = sessionSeconds * 1000 * scale;
  expectNoGap(timesOf(calls, 'AssumeRole', { RoleArn: roles.signer }), lifeMs, endMs, 2);
  // The session of the registry's role is needed by logins alone, and a login by tokens alone: each is renewed when it is
  // asked for in its last third, so how long one is kept depends on when that happens.
  expect(timesOf(calls, 'AssumeRole', { RoleArn: roles.registry }).length).toBeGreaterThan(2);
  expect(timesOf(calls, 'GetAuthorizationToken').length).toBeGreaterThan(2);
  for (const repository of repositories) {
    const scope = `repository:${repository}:pull,push`;
    expect(timesOf(calls, 'auth', { scope }).length).toBeGreaterThan(5);
  }
}, 120_000);
