import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acrScratchPolicy } from '../alibaba/acr-session-policy.ts';
import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import { createDeliveryWish, wishLookedForEveryMs } from '../coordination/delivery-capture.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createRedisLock } from '../coordination/redis-lock.ts';
import { createRedisQuota } from '../coordination/redis-quota.ts';
import { recordPuts } from '../doctor/live/record-puts.ts';
import type { LiveParts } from '../doctor/live/run-live.ts';
import { signScratch } from '../doctor/live/sign-scratch.ts';
import { AutosignError } from '../domain/errors.ts';
import { builtFormats } from '../formats/built-formats.ts';
import { openAuditLog } from '../observability/audit.ts';
import { systemClock } from '../ports/clock.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createSignatureStores } from '../registry/signature-stores.ts';
import type { Registry, Rule, RuleSet } from '../rules/rule-set.ts';
import { loadKeyRing } from '../signing/key-ring.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { openAcrApi } from './acr-access.ts';
import { createKeyOpener } from './open-keys.ts';
import { openRegistry } from './open-registries.ts';
import type { LiveSettings } from './settings.ts';

interface OpenLiveOptions {
  readonly registry: Registry;
  readonly repository: string;
  readonly settings: LiveSettings;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

interface OpenedLive {
  /** The scratch image's tag. */
  readonly name: string;
  readonly parts: Omit<LiveParts, 'waitMs' | 'withTriggers' | 'signal' | 'tell'>;
  close(): Promise<void>;
}

// As a worker's: the index of an image's signatures may be written by both.
const lockTimes = { leaseMs: 30_000, deadlineMs: 25_000, waitMs: 60_000 };
// Receivers look for a wish at most this often, and a delivery may come right after one has looked.
const noticeMs = wishLookedForEveryMs + 500;

/**
 * Opens the registry with rights to the scratch repository alone where it has a role, the key of a rule, and Redis.
 * @throws AutosignError `usage` without a rule for the registry, `audit-unwritable`
 */
export async function openLive(ruleSet: RuleSet, options: OpenLiveOptions): Promise<OpenedLive> {
  const { registry, repository, settings, signal } = options;
  const rule = ruleToSignBy(ruleSet, registry);
  const base = createBaseCredentials();
  const audit = await openAuditLog(join(settings.stateDir, 'audit.jsonl'), () => systemClock.now());
  const redis = connectStore({ redisUrl: settings.redisUrl, onError: () => undefined });
  const quota = createRedisQuota({ redis, prefix: signQueuePrefix });
  const { client, api } = openScratch(ruleSet, options, base);
  const recorded = recordPuts(client, () => systemClock.now());
  const name = `autosign-doctor-${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
  const format = rule.formats.find((each) => each === 'notation') ?? rule.formats[0] ?? 'notation';
  const tools = {
    ...{ ruleSet, quota, audit, formats: builtFormats, clock: systemClock },
    stores: storesOf(recorded.client, registry, redis),
    resolve: (of: string, tag: string) => client.getManifest(of, tag),
  };
  let signingKey: Promise<SigningKey> | undefined;
  return {
    name,
    parts: {
      ...{ registry, repository, name, recorded, api, noticeMs },
      sign: async (image) => {
        signingKey ??= openKey(ruleSet, rule, base);
        const key = await signingKey;
        return signScratch(image, { registry, repository, tag: name, rule, format, signingKey: key, tools });
      },
      wish: createDeliveryWish({ redis, prefix: signQueuePrefix }),
      sleep: (ms) => sleep(ms, undefined, { signal }),
    },
    close: async () => {
      await quota.close();
      await client.close();
      await closeConnection(redis);
      await audit.close();
    },
  };
}

/** The first one, whose signatures show most: those of notation are referrers. */
function ruleToSignBy({ rules }: RuleSet, { name }: Registry): Rule {
  const ours = rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(name));
  const rule = ours.find(({ formats }) => formats.includes('notation')) ?? ours[0];
  if (rule !== undefined) return rule;
  throw new AutosignError('usage', `No rule in force is for registry ${name}, so there is no key to sign with.`);
}

function openScratch(ruleSet: RuleSet, { registry, repository, env }: OpenLiveOptions, base: CredentialsSource) {
  const { acr } = registry;
  const policy = acr?.role === undefined ? undefined : acrScratchPolicy(acr, acr.role.roleArn, repository);
  const client = openRegistry(registry, ruleSet, { env, base, sessionPolicy: policy });
  const api = acr === undefined ? undefined : openAcrApi(acr, { base, clock: systemClock, sessionPolicy: policy });
  return { client, api };
}

function storesOf(client: LiveParts['recorded']['client'], registry: Registry, redis: RedisConnection) {
  const lock = createRedisLock({ redis, prefix: signQueuePrefix, ...lockTimes });
  const lockName = (repository: string, subject: string) => `${registry.identityHost}/${repository}@${subject}`;
  return createSignatureStores({ client, lock, lockName });
}

/** The key as a worker opens it. @throws AutosignError `key-unusable` with the reason for which it is paused */
async function openKey(ruleSet: RuleSet, rule: Rule, base: CredentialsSource): Promise<SigningKey> {
  const opener = createKeyOpener(systemClock, base);
  const keyRing = await loadKeyRing({
    ruleSet: { ...ruleSet, rules: [rule] },
    createSigner: opener.open,
    probe: opener.probe,
    readTextFile: (file) => readFile(file, 'utf8'),
    clock: systemClock,
  });
  const format = rule.formats.find((each) => each === 'notation') ?? rule.formats[0];
  const state = keyRing.get(rule.key, format);
  if (state.state === 'ready') return state.signingKey;
  throw new AutosignError('key-unusable', `Key ${rule.key} is not usable: ${state.reason}`);
}
