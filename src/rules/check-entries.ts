import { checkKeySource } from './check-key-source.ts';
import { checkNames } from './check-names.ts';
import { checkQuota } from './check-quota.ts';
import { checkRule } from './check-rule.ts';
import { checkOptionsSupported } from './check-supported.ts';
import { below, type Entries, type Entry, problemAt } from './entry.ts';
import { isLoopbackHost } from './loopback.ts';
import type { Problem } from './problem.ts';
import type { RegistryEntry } from './rules-file-schema.ts';

/** Everything that a schema cannot see, over all files together. */
export function checkEntries(entries: Entries): readonly Problem[] {
  const keys = new Map(entries.keys.map((key) => [key.value.name, key]));
  const refused = [
    ...checkNames(entries),
    ...entries.registries.flatMap(checkRegistry),
    ...entries.keys.flatMap(checkKeySource),
    ...entries.quotas.flatMap((quota) => checkQuota(quota, entries.keys)),
  ];
  const unsupported = [...checkOptionsSupported(entries.defaults)];
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
  return [...problems, ...checkAcrRole(registry), ...checkTrigger(registry), ...checkEventBridge(registry)];
}

/** What belongs to a role, and is never used without one. */
function checkAcrRole(registry: Entry<RegistryEntry>): readonly Problem[] {
  const { acr } = registry.value;
  if (acr === undefined || acr.roleArn !== undefined) return [];
  return (['externalId', 'stsEndpoint'] as const)
    .filter((field) => acr[field] !== undefined)
    .map((field) => problemAt(below(registry, 'acr', field), 'stands without roleArn; add that, or leave it out'));
}

/** What belongs together to make triggers, and where triggers can be made at all. */
function checkTrigger(registry: Entry<RegistryEntry>): readonly Problem[] {
  const { acr, webhook: { url, tokenEnv, tokenFile } = {} } = registry.value;
  const problem = (field: string, message: string) => problemAt(below(registry, 'webhook', field), message);
  if (tokenEnv !== undefined && tokenFile !== undefined) {
    return [problem('tokenFile', 'stands beside tokenEnv; the token is at one place, keep one')];
  }
  const token = tokenEnv === undefined ? 'tokenFile' : 'tokenEnv';
  if (url === undefined) {
    return tokenEnv === undefined && tokenFile === undefined
      ? []
      : [problem(token, 'stands without url; they are for triggers, which call it: add url, or leave it out')];
  }
  if (tokenEnv === undefined && tokenFile === undefined) {
    return [problem('url', 'stands without a token; add tokenEnv or tokenFile, the rules hold only its hash')];
  }
  if (acr === undefined) {
    return [
      problem('url', 'stands in a registry without acr; triggers can be made in an instance of ACR only, add acr'),
    ];
  }
  return [];
}

function checkEventBridge(registry: Entry<RegistryEntry>): readonly Problem[] {
  const { acr, eventBridge, name } = registry.value;
  if (eventBridge === undefined) return [];
  const problems: Problem[] = [];
  if (acr === undefined) {
    const message = 'stands without acr; write acr, whose instance and region an event must name';
    problems.push(problemAt(below(registry, 'eventBridge'), message));
  }
  if (acr?.accountId !== undefined && acr.accountId !== eventBridge.accountId) {
    const message = 'is another account than that of acr, so every event would be refused; write the same one';
    problems.push(problemAt(below(registry, 'eventBridge', 'accountId'), message));
  }
  // A URL that leads elsewhere would never fit what EventBridge has signed, and every event would be refused.
  const path = `/webhooks/eventbridge/${name}`;
  if (!new URL(eventBridge.url).pathname.endsWith(path)) {
    problems.push(problemAt(below(registry, 'eventBridge', 'url'), `does not lead to ${path}; end its path with that`));
  }
  return problems;
}
