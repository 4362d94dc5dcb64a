import type { AcrApi } from '../alibaba/acr-api.ts';
import { isStanding, listNamespaces, listRepositories } from '../alibaba/acr-repositories.ts';
import { createTrigger, deleteTrigger, listTriggers, updateTrigger } from '../alibaba/acr-triggers.ts';
import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import { coversNamespace } from '../rules/match.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { createPace, type Pace } from './pace.ts';
import { planTriggers, type TriggerChange, type WantedTrigger, wantedTrigger } from './plan-triggers.ts';

export interface SyncTriggersOptions {
  readonly api: AcrApi;
  readonly ruleSet: Pick<RuleSet, 'rules'>;
  /** The registry's name in the rules file. */
  readonly registry: string;
  /** What the triggers call, the token at its end: a secret. Undefined takes ours away, wherever they are. */
  readonly url: string | undefined;
  /** Only says what would be done. */
  readonly dryRun: boolean;
  readonly limits?: SyncLimits | undefined;
  readonly signal: AbortSignal;
}

export interface SyncLimits {
  /** Repositories looked at at once. */
  readonly repositoriesAtOnce: number;
  readonly callsPerSecondMax: number;
  /** So many repositories in a row that fail for the registry's sake mean that it is down. */
  readonly failuresInARowMax: number;
}

/** What was done about one trigger, or would be: without its address, which is a secret. */
export interface ReportedChange {
  readonly kind: TriggerChange['kind'];
  /** `crw-…`; absent for one that is made. */
  readonly trigger?: string;
  /** What a trigger that is made or set right fires on. */
  readonly type?: WantedTrigger['type'];
  readonly tag?: string;
  /** What differed. */
  readonly fields?: readonly string[];
}

/** A repository where something was done, would be, or could not be. */
export interface RepositoryReport {
  readonly repository: string;
  /** What was done before it failed, if it did. */
  readonly changes: readonly ReportedChange[];
  readonly error?: AutosignError;
}

export interface SyncReport {
  /** Repositories whose triggers were looked at. */
  readonly looked: number;
  /** Those where there is something to tell. */
  readonly repositories: readonly RepositoryReport[];
  /** Why the others were not looked at. */
  readonly error?: AutosignError;
}

/** The rate limit of the OpenAPI is not documented; a whole instance of 5,000 repositories takes about four minutes. */
export const syncLimits: SyncLimits = { repositoriesAtOnce: 4, callsPerSecondMax: 20, failuresInARowMax: 10 };

/**
 * Gives every repository that the rules cover the one trigger of ours that it should have, or takes ours away from all.
 * What fails for one repository is reported and does not stop the others; a list of repositories that cannot be read,
 * or a registry that is down, ends it, and is reported too.
 * @throws the reason of `signal`
 */
export async function syncTriggers(options: SyncTriggersOptions): Promise<SyncReport> {
  const { limits = syncLimits } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const pace = createPace(limits.callsPerSecondMax, signal);
  const repositories = repositoriesToSync({ ...options, signal });
  const found: RepositoryReport[] = [];
  let looked = 0;
  let inARow = 0;

  async function syncOne({ repository, id, wanted }: ToSync): Promise<void> {
    const report = await syncRepository(id, wanted, { ...options, signal, pace });
    looked += 1;
    if (report.changes.length > 0 || report.error !== undefined) found.push({ repository, ...report });
    inARow = report.error?.scope === 'registry' ? inARow + 1 : 0;
    if (report.error !== undefined && inARow >= limits.failuresInARowMax) throw report.error;
  }

  // All draw from the one list; what ends it for one ends it for all.
  async function draw(): Promise<void> {
    try {
      for (let next = await repositories.next(); !next.done; next = await repositories.next()) {
        if ('id' in next.value) await syncOne(next.value);
        else found.push(next.value);
      }
    } catch (error) {
      ending.abort(error);
    }
  }
  await Promise.all(Array.from({ length: limits.repositoriesAtOnce }, draw));
  options.signal.throwIfAborted();
  const report = { looked, repositories: found.sort(byRepository) };
  if (!ending.signal.aborted) return report;
  if (isAutosignError(ending.signal.reason)) return { ...report, error: ending.signal.reason };
  throw ending.signal.reason;
}

function byRepository(left: RepositoryReport, right: RepositoryReport): number {
  return left.repository < right.repository ? -1 : 1;
}

interface ToSync {
  /** Namespace and name. */
  readonly repository: string;
  /** `crr-…` */
  readonly id: string;
  readonly wanted: WantedTrigger | undefined;
}

/** Those that a rule covers, or all to take triggers away; and the namespaces whose repositories cannot be listed. */
async function* repositoriesToSync(options: SyncTriggersOptions): AsyncGenerator<ToSync | RepositoryReport> {
  const { api, ruleSet, registry, url, signal } = options;
  const rules = ruleSet.rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(registry));
  for await (const namespace of listNamespaces(api, { signal })) {
    const { name } = namespace;
    if (!isStanding(namespace)) continue;
    if (url !== undefined && !rules.some((rule) => coversNamespace(rule, name))) continue;
    try {
      for await (const found of listRepositories(api, name, { signal })) {
        const repository = `${found.namespace}/${found.name}`;
        const wanted = url === undefined ? undefined : wantedTrigger(ruleSet, { registry, url }, repository);
        if (isStanding(found) && (url === undefined || wanted !== undefined))
          yield { repository, id: found.id, wanted };
      }
    } catch (error) {
      // Refused for this namespace, or gone meanwhile; what is wrong with the registry ends the list.
      if (!isAutosignError(error, 'registry-denied', 'not-found')) throw error;
      yield { repository: `${name}/*`, changes: [], error };
    }
  }
}

async function syncRepository(
  id: string,
  wanted: WantedTrigger | undefined,
  { api, registry, dryRun, pace, signal }: SyncTriggersOptions & { readonly pace: Pace },
): Promise<Omit<RepositoryReport, 'repository'>> {
  const changes: ReportedChange[] = [];
  try {
    await pace();
    const standing = await listTriggers(api, id, { signal });
    for (const change of planTriggers(standing, wanted, registry)) {
      if (!dryRun) {
        await pace();
        await apply(api, id, change);
      }
      changes.push(withoutAddress(change));
    }
    return { changes };
  } catch (error) {
    signal.throwIfAborted();
    if (!isAutosignError(error)) throw error;
    return { changes, error };
  }
}

async function apply(api: AcrApi, repositoryId: string, change: TriggerChange): Promise<void> {
  switch (change.kind) {
    case 'create':
      await createTrigger(api, repositoryId, change.wanted);
      return;
    case 'update':
      return updateTrigger(api, repositoryId, change.id, change.wanted);
    case 'delete':
      return deleteTrigger(api, repositoryId, change.id);
  }
}

function withoutAddress(change: TriggerChange): ReportedChange {
  switch (change.kind) {
    case 'create':
      return { kind: 'create', type: change.wanted.type, tag: change.wanted.tag };
    case 'update': {
      const { id, wanted, fields } = change;
      return { kind: 'update', trigger: id, type: wanted.type, tag: wanted.tag, fields };
    }
    case 'delete':
      return { kind: 'delete', trigger: change.id };
  }
}
