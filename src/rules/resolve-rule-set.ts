import { dirname, resolve } from 'node:path';
import { isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { durationMs } from './duration.ts';
import { type Entries, type Entry, originOf, type Place } from './entry.ts';
import { defaultFormats, defaultRenewBefore, defaultSessionDuration, ruleOption } from './rule-options.ts';
import type {
  AcrSource,
  DenyEntry,
  EventBridgeSource,
  Key,
  Registry,
  Rule,
  RuleSet,
  Selection,
  WebhookTrigger,
} from './rule-set.ts';
import type { DefaultsEntry, DenyFileEntry, KeyEntry, RegistryEntry, RuleEntry } from './rules-file-schema.ts';

/** Makes of entries without faults what the service works with: defaults filled in, paths absolute. */
export function resolveEntries(entries: Entries): Omit<RuleSet, 'files' | 'hash'> {
  return {
    registries: byName(entries.registries.map(resolveRegistry)),
    keys: byName(entries.keys.map(resolveKey)),
    rules: entries.rules.map((rule) => resolveRule(rule, entries.defaults)),
    deny: entries.deny.map(resolveDeny),
    quotas: entries.quotas.map(({ value: { accountId, region, perSecond, perDay } }) => ({
      accountId,
      region,
      perSecond,
      perDay,
    })),
  };
}

function byName<T extends { readonly name: string }>(values: readonly T[]): ReadonlyMap<string, T> {
  return new Map(values.map((value) => [value.name, value]));
}

function resolveRegistry(entry: Entry<RegistryEntry>): Registry {
  const { name, host, identityHost, aliases, plainHttp, login, realms, webhook } = entry.value;
  return {
    name,
    host,
    identityHost: identityHost ?? host,
    aliases: aliases ?? [],
    plainHttp: plainHttp ?? false,
    login,
    acr: resolveAcr(entry),
    realms: realms ?? [],
    webhook: webhook && { tokenSha256: webhook.tokenSha256, trigger: resolveTrigger(entry) },
    eventBridge: resolveEventBridge(entry),
    origin: originOf(entry),
  };
}

function resolveEventBridge(entry: Entry<RegistryEntry>): EventBridgeSource | undefined {
  const { eventBridge, acr } = entry.value;
  // One without the other is refused before; a type cannot say so.
  if (eventBridge === undefined || acr === undefined) return undefined;
  const { url, accountId, tokenSha256, certificateFile } = eventBridge;
  const { instanceId, region } = acr;
  return { url, accountId, instanceId, region, tokenSha256, certificateFile: absolutePath(entry, certificateFile) };
}

function resolveTrigger(entry: Entry<RegistryEntry>): WebhookTrigger | undefined {
  const { url, tokenEnv, tokenFile } = entry.value.webhook ?? {};
  if (url === undefined) return undefined;
  if (tokenEnv !== undefined) return { url, token: { kind: 'env', name: tokenEnv } };
  if (tokenFile !== undefined) return { url, token: { kind: 'file', path: absolutePath(entry, tokenFile) } };
  return undefined;
}

function resolveAcr(entry: Entry<RegistryEntry>): AcrSource | undefined {
  const { acr } = entry.value;
  if (acr === undefined) return undefined;
  const { instanceId, region, accountId, roleArn, externalId } = acr;
  return {
    instanceId,
    region,
    accountId,
    endpoint: acr.endpoint ?? `cr.${region}.aliyuncs.com`,
    role: roleArn === undefined ? undefined : { roleArn, externalId },
    stsEndpoint: acr.stsEndpoint ?? `sts.${region}.aliyuncs.com`,
  };
}

function resolveKey(entry: Entry<KeyEntry>): Key {
  const { name, spec, publicKeyFile, publicKeySha256, certificateChain, trusted, renewBefore } = entry.value;
  return {
    name,
    spec,
    source: resolveKeySource(entry),
    publicKeyFile: absolutePath(entry, publicKeyFile),
    publicKeySha256,
    certificateChain: absolutePath(entry, certificateChain),
    trusted: (trusted ?? []).map((version) => ({
      publicKeyFile: absolutePath(entry, version.publicKeyFile),
      keyVersionId: version.keyVersionId,
      certificateChain: absolutePath(entry, version.certificateChain),
    })),
    renewBeforeMs: durationMs(renewBefore ?? defaultRenewBefore),
    origin: originOf(entry),
  };
}

function resolveKeySource(entry: Entry<KeyEntry>): Key['source'] {
  const { kms, kmsInstance, local, name } = entry.value;
  if (kms !== undefined) {
    return {
      kind: 'kms',
      region: kms.region,
      keyId: kms.keyId,
      keyVersionId: kms.keyVersionId,
      roleArn: kms.roleArn,
      externalId: kms.externalId,
      via: (kms.via ?? []).map(({ roleArn, externalId }) => ({ roleArn, externalId })),
      sessionSeconds: durationMs(kms.sessionDuration ?? defaultSessionDuration) / 1000,
      endpoint: kms.endpoint ?? `kms.${kms.region}.aliyuncs.com`,
      stsEndpoint: kms.stsEndpoint ?? `sts.${kms.region}.aliyuncs.com`,
      managementEndpoint: kms.managementEndpoint,
      caFile: absolutePath(entry, kms.caFile),
    };
  }
  if (kmsInstance !== undefined) return resolveInstanceSource(entry, kmsInstance);
  if (local !== undefined) return { kind: 'local', privateKeyFile: absolutePath(entry, local.privateKeyFile) };
  throw new AutosignError('rules-invalid', `key "${name}" has no source; write kms, kmsInstance or local`);
}

function resolveInstanceSource(entry: Entry<KeyEntry>, written: NonNullable<KeyEntry['kmsInstance']>): Key['source'] {
  const { keyId, endpoint, clientKeyFile, clientKeyId, privateKeyFile, passwordEnv, caFile, region } = written;
  return {
    kind: 'kmsInstance',
    keyId,
    endpoint,
    clientKey:
      clientKeyId !== undefined && privateKeyFile !== undefined
        ? { id: clientKeyId, privateKeyFile: absolutePath(entry, privateKeyFile) }
        : { file: absolutePath(entry, clientKeyFile), passwordEnv },
    caFile: absolutePath(entry, caFile),
    region,
  };
}

function resolveRule(entry: Entry<RuleEntry>, defaults: Entry<DefaultsEntry>): Rule {
  const { name, owner, state, registries, namespaces, repositories, tags, key, algorithm } = entry.value;
  return {
    name,
    owner,
    state: state ?? 'sign',
    registries,
    namespaces: resolveSelection(namespaces),
    repositories: resolveSelection(repositories),
    tags: resolveSelection(tags),
    mode: ruleOption(entry, defaults, 'mode')?.value ?? 'minimal',
    key,
    algorithm,
    formats: ruleOption(entry, defaults, 'formats')?.value ?? defaultFormats(algorithm),
    platforms: ruleOption(entry, defaults, 'platforms')?.value ?? 'index',
    existing: ruleOption(entry, defaults, 'existing')?.value ?? 'ignore',
    origin: originOf(entry),
  };
}

function resolveSelection(selection: RuleEntry['tags']): Selection | undefined {
  return selection && { include: selection.include ?? ['**'], exclude: selection.exclude ?? [] };
}

function resolveDeny(entry: Entry<DenyFileEntry>): DenyEntry {
  const { digest, reason, until } = entry.value;
  if (!isDigest(digest)) throw new AutosignError('rules-invalid', `"${digest}" is not a digest`);
  return {
    digest,
    reason,
    // ECMAScript reads a date without time as its first moment in UTC.
    until: until === undefined || until === null ? undefined : new Date(until),
    origin: originOf(entry),
  };
}

/** Paths resolve against the file that names them. */
function absolutePath<P extends string | undefined>(place: Place, path: P): P;
function absolutePath(place: Place, path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(dirname(place.document.file), path);
}
