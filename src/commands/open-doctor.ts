import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import { callerPrincipal } from '../alibaba/sts.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import type { AcrProbe } from '../doctor/check-acr.ts';
import type { OtherClock } from '../doctor/check-clock.ts';
import type { OwnIdentity } from '../doctor/check-identity.ts';
import type { KeyProbe } from '../doctor/check-keys.ts';
import type { RegistryProbe } from '../doctor/check-registries.ts';
import type { RoleProbe } from '../doctor/check-roles.ts';
import { findCovered, hasReferrersApi } from '../doctor/covered-repository.ts';
import { AutosignError } from '../domain/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { type RedisServerFacts, readRedisFacts, readRedisTime } from '../queue/redis-facts.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { RegistryAccess } from '../worker/desired.ts';
import { openAcrApi } from './acr-access.ts';
import { sessionPolicyOf } from './acr-session.ts';
import { openKeyProbes, openRoleProbes } from './open-key-probes.ts';
import { timeouts } from './open-keys.ts';
import { openRegistries } from './open-registries.ts';
import { readOnlyLock } from './read-only-lock.ts';

/** Everything that is looked at. */
export interface DoctorParts {
  readonly ruleSet: RuleSet;
  readonly clocks: readonly OtherClock[];
  /** Undefined when nothing of the rules needs one. */
  readonly identity: (() => Promise<OwnIdentity>) | undefined;
  readonly roles: readonly RoleProbe[];
  readonly keys: readonly KeyProbe[];
  readonly redis: () => Promise<readonly RedisServerFacts[]>;
  readonly registries: readonly RegistryProbe[];
  readonly instances: readonly AcrProbe[];
  close(): Promise<void>;
}

interface OpenDoctorOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly redisUrl: string | undefined;
}

// Somebody waits for the table.
const redisTimeoutMs = 5_000;

/** Opens all that the rules name; nothing is asked yet. */
export function openDoctor(ruleSet: RuleSet, { env, redisUrl }: OpenDoctorOptions): DoctorParts {
  const base = createBaseCredentials();
  const registries = [...openRegistries(ruleSet, undefined, { lock: readOnlyLock, env, base }).values()];
  // What is wrong is said by the step that fails.
  const redis = redisUrl === undefined ? undefined : connectStore({ redisUrl, onError: () => undefined });
  const clocks: OtherClock[] = registries.map(({ registry, client }) => ({
    name: `registry ${registry.name}`,
    read: () => client.readDate(),
  }));
  if (redis !== undefined) clocks.push({ name: 'Redis', read: () => readRedisTime(redis, redisTimeoutMs) });
  const shared = { base, clock: systemClock, timeouts };
  return {
    ruleSet,
    clocks,
    identity: identityOf(ruleSet, base),
    roles: openRoleProbes(ruleSet, shared),
    keys: openKeyProbes(ruleSet, { ...shared, env }),
    redis: async () => {
      if (redis !== undefined) return readRedisFacts(redis, redisTimeoutMs);
      throw new AutosignError('redis-unreachable', 'AUTOSIGN_REDIS_URL is not set here, so Redis was not looked at.');
    },
    registries,
    instances: registries.flatMap((access) => acrProbe(access, ruleSet, base)),
    close: async () => {
      await Promise.all(registries.map(({ client }) => client.close()));
      if (redis !== undefined) await closeConnection(redis);
    },
  };
}

/** The first STS endpoint that the rules name is asked whose identity it is. */
function identityOf({ keys, registries }: RuleSet, base: CredentialsSource): DoctorParts['identity'] {
  const endpoints = [
    ...[...keys.values()].flatMap(({ source }) => (source.kind === 'kms' ? [source.stsEndpoint] : [])),
    ...[...registries.values()].flatMap(({ acr }) => (acr === undefined ? [] : [acr.stsEndpoint])),
  ];
  const [endpoint] = endpoints;
  if (endpoint === undefined) return undefined;
  return async () => {
    const credentials = await base.credentials();
    const arn = await callerPrincipal({ endpoint, credentials, timeouts });
    return { arn, isPermanent: credentials.securityToken === undefined };
  };
}

function acrProbe(access: RegistryAccess, ruleSet: RuleSet, base: CredentialsSource): readonly AcrProbe[] {
  const { registry, client } = access;
  if (registry.acr === undefined) return [];
  const sessionPolicy = sessionPolicyOf(registry, ruleSet);
  const api = openAcrApi(registry.acr, { base, clock: systemClock, sessionPolicy });
  const usesTags = ruleSet.rules.some(
    ({ state, registries, formats }) =>
      state !== 'off' && registries.includes(registry.name) && formats.includes('cosign'),
  );
  const writesTags = async () => {
    if (usesTags) return true;
    const repository = await findCovered(access, ruleSet);
    return repository === undefined || !(await hasReferrersApi(client, repository));
  };
  return [{ registry, api, writesTags }];
}
