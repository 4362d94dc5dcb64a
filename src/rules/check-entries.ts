import { checkNames } from './check-names.ts';
import { checkRule } from './check-rule.ts';
import { checkKeySupported, checkOptionsSupported, checkRegistrySupported } from './check-supported.ts';
import { below, type Entries, type Entry, problemAt } from './entry.ts';
import { isLoopbackHost } from './loopback.ts';
import type { Problem } from './problem.ts';
import { accountOf, isInstanceGateway } from './quota-of.ts';
import type { KeyEntry, QuotaFileEntry, RegistryEntry } from './rules-file-schema.ts';

/** Everything that a schema cannot see, over all files together. */
export function checkEntries(entries: Entries): readonly Problem[] {
  const keys = new Map(entries.keys.map((key) => [key.value.name, key]));
  const refused = [
    ...checkNames(entries),
    ...entries.registries.flatMap(checkRegistry),
    ...entries.keys.flatMap(checkKey),
    ...entries.quotas.flatMap((quota) => checkQuota(quota, entries.keys)),
  ];
  const unsupported = [
    ...checkOptionsSupported(entries.defaults),
    ...entries.registries.flatMap(checkRegistrySupported),
    ...entries.keys.flatMap(checkKeySupported),
  ];
  for (const rule of entries.rules) {
    const key = keys.get(rule.value.key);
    refused.push(...checkRule(rule, entries.defaults, key));
    unsupported.push(...checkOptionsSupported(rule));
  }
  // That a value can never work is the better reason than that it does not work yet.
  const isRefused = (problem: Problem): boolean =>
    refused.some(({ file, field }) => file === problem.file && field === problem.field);
  return [...refused, ...unsupported.filter((problem) => !isRefused(problem))];
}

function checkRegistry(registry: Entry<RegistryEntry>): readonly Problem[] {
  const { acr, login, plainHttp, host } = registry.value;
  const problems: Problem[] = [];
  if (plainHttp === true && !isLoopbackHost(host)) {
    problems.push(
      problemAt(
        below(registry, 'plainHttp'),
        `is allowed for loopback addresses only (127.0.0.0/8, [::1], localhost), not for ${host}; leave it out`,
      ),
    );
  }
  if (acr !== undefined && login !== undefined) {
    problems.push(problemAt(below(registry, 'login'), 'stands beside acr, which is a login of its own; keep one'));
  }
  return problems;
}

function checkKey(key: Entry<KeyEntry>): readonly Problem[] {
  const sources = (['kms', 'kmsInstance', 'local'] as const).filter((source) => key.value[source] !== undefined);
  if (sources.length === 1) return [];
  const found = sources.length === 0 ? 'none of kms, kmsInstance and local' : sources.join(' and ');
  return [problemAt(key, `key "${key.value.name}" has ${found}; write exactly one of them`)];
}

/** An entry with a wrong account or region would limit nothing, and nobody would notice. */
function checkQuota(quota: Entry<QuotaFileEntry>, keys: readonly Entry<KeyEntry>[]): readonly Problem[] {
  const { accountId, region } = quota.value;
  const theirs = keys.filter(
    ({ value: { kms } }) => kms !== undefined && accountOf(kms.roleArn) === accountId && kms.region === region,
  );
  if (theirs.length === 0) {
    return [
      problemAt(quota, `no key of kms is in account ${accountId} and region ${region}; correct it or leave it out`),
    ];
  }
  if (theirs.every(({ value: { kms } }) => kms?.endpoint !== undefined && isInstanceGateway(kms.endpoint))) {
    const message = `the keys in account ${accountId} and region ${region} use gateways of KMS instances, which have no quota for an account; leave it out`;
    return [problemAt(quota, message)];
  }
  return [];
}
