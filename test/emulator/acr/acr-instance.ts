import { createHash } from 'node:crypto';
import type { Clock } from '../../../src/ports/clock.ts';
import { AcrNamespace, type CheckedInstance, type CheckedNamespace } from './acr-config.ts';
import type { AcrLifecycleRule, AcrSyncRule } from './acr-rules.ts';
import type { AcrTrigger } from './acr-triggers.ts';
import { createUpstreamRegistry, type UpstreamRegistry } from './upstream-registry.ts';

/** What may be set for one repository; the rest is its namespace's. */
interface RepositorySettings {
  readonly repoType?: 'PRIVATE' | 'PUBLIC';
  readonly tagImmutability?: boolean;
  readonly summary?: string;
}

/** A repository as the OpenAPI tells it. */
export interface AcrRepository {
  readonly repoId: string;
  readonly namespace: string;
  /** Below its namespace; may have several levels. */
  readonly name: string;
  readonly fullName: string;
  readonly repoType: 'PRIVATE' | 'PUBLIC';
  readonly tagImmutability: boolean;
  readonly summary: string;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

/** Times of a tag, in milliseconds since 1970. */
interface PushTimes {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** The state of one emulated instance. What repositories and tags it has is asked of the real registry behind it. */
export interface AcrInstance {
  readonly instanceId: string;
  readonly accountId: string;
  readonly region: string;
  readonly config: CheckedInstance;
  /** As its registry's challenges name it. */
  readonly service: string;
  readonly createdAtMs: number;
  readonly upstream: UpstreamRegistry;
  readonly namespaces: ReadonlyMap<string, CheckedNamespace>;
  readonly lifecycleRules: AcrLifecycleRule[];
  readonly syncRules: AcrSyncRule[];
  addNamespace(namespace: AcrNamespace): void;
  /** @param repository with its namespace */
  setRepository(repository: string, settings: RepositorySettings): void;
  /** Whether the first segment is a namespace of the instance. */
  hasNamespaceOf(repository: string): boolean;
  isPublic(repository: string): boolean;
  /** Every repository below the namespaces, by name. */
  repositories(): Promise<readonly AcrRepository[]>;
  /** Whether the repository is there; cheaper than looking through all of them. */
  exists(repository: string): Promise<boolean>;
  findRepository(repoId: string): Promise<AcrRepository | undefined>;
  describe(repository: string): AcrRepository;
  /** The triggers of a repository, to be changed. */
  triggersOf(repository: string): AcrTrigger[];
  /** Remembers that a tag was pushed now. */
  notePush(repository: string, tag: string): void;
  /** Takes a tag away, until it is pushed again; the real registry may not be able to. */
  hideTag(repository: string, tag: string): void;
  isHidden(repository: string, tag: string): boolean;
  /** The tags of a repository, sorted. */
  tags(repository: string): Promise<readonly string[]>;
  /** Of a tag that nobody pushed through the instance's registry: since the instance is there. */
  pushTimes(repository: string, tag: string): PushTimes;
}

export interface AcrInstanceOptions {
  readonly config: CheckedInstance;
  readonly accountId: string;
  readonly region: string;
  readonly clock: Clock;
}

export function createAcrInstance({ config, accountId, region, clock }: AcrInstanceOptions): AcrInstance {
  const namespaces = new Map(config.namespaces.map((namespace) => [namespace.name, namespace]));
  const settings = new Map<string, RepositorySettings>();
  const triggers = new Map<string, AcrTrigger[]>();
  const pushes = new Map<string, PushTimes>();
  const repositoryTimes = new Map<string, PushTimes>();
  const hidden = new Set<string>();
  const namesById = new Map<string, string>();
  const upstream = createUpstreamRegistry(config.upstream);
  const createdAtMs = clock.now().getTime();
  const sinceStart: PushTimes = { firstMs: createdAtMs, lastMs: createdAtMs };

  function describe(repository: string): AcrRepository {
    const { namespace, name } = splitRepository(repository);
    const set = settings.get(repository);
    const times = repositoryTimes.get(repository) ?? sinceStart;
    const repoId = stableId('crr', `${config.instanceId}/${repository}`);
    namesById.set(repoId, repository);
    return {
      repoId,
      namespace,
      name,
      fullName: repository,
      repoType: set?.repoType ?? namespaces.get(namespace)?.defaultRepoType ?? 'PRIVATE',
      tagImmutability: set?.tagImmutability ?? namespaces.get(namespace)?.tagImmutability ?? false,
      summary: set?.summary ?? '',
      createdAtMs: times.firstMs,
      modifiedAtMs: times.lastMs,
    };
  }

  async function repositories(): Promise<readonly AcrRepository[]> {
    const names = new Set([...(await upstream.repositories()), ...settings.keys()]);
    const known = [...names].filter((name) => namespaces.has(splitRepository(name).namespace));
    return known.sort().map(describe);
  }

  async function exists(repository: string): Promise<boolean> {
    if (!namespaces.has(splitRepository(repository).namespace)) return false;
    if (settings.has(repository) || repositoryTimes.has(repository)) return true;
    if ((await upstream.tags(repository)).length > 0) return true;
    return (await repositories()).some(({ fullName }) => fullName === repository);
  }

  return {
    instanceId: config.instanceId,
    accountId,
    region,
    config,
    service: `registry.aliyuncs.com:${region}:china:${config.instanceId}`,
    createdAtMs,
    upstream,
    namespaces,
    lifecycleRules: [],
    syncRules: [],
    addNamespace(written) {
      const namespace = AcrNamespace.parse(written);
      namespaces.set(namespace.name, namespace);
    },
    setRepository: (repository, next) => settings.set(repository, { ...settings.get(repository), ...next }),
    hasNamespaceOf: (repository) => namespaces.has(splitRepository(repository).namespace),
    isPublic: (repository) => describe(repository).repoType === 'PUBLIC',
    repositories,
    exists,
    async findRepository(repoId) {
      const name = namesById.get(repoId);
      if (name !== undefined) return (await exists(name)) ? describe(name) : undefined;
      return (await repositories()).find((candidate) => candidate.repoId === repoId);
    },
    describe,
    triggersOf(repository) {
      const list = triggers.get(repository) ?? [];
      triggers.set(repository, list);
      return list;
    },
    notePush(repository, tag) {
      const nowMs = clock.now().getTime();
      hidden.delete(`${repository}:${tag}`);
      touch(pushes, `${repository}:${tag}`, nowMs);
      touch(repositoryTimes, repository, nowMs);
    },
    hideTag(repository, tag) {
      hidden.add(`${repository}:${tag}`);
    },
    isHidden: (repository, tag) => hidden.has(`${repository}:${tag}`),
    tags: async (repository) => (await upstream.tags(repository)).filter((tag) => !hidden.has(`${repository}:${tag}`)),
    pushTimes: (repository, tag) => pushes.get(`${repository}:${tag}`) ?? sinceStart,
  };
}

/** The namespace is the first segment; the name may have several (ACR's repositories have levels). */
export function splitRepository(repository: string): { namespace: string; name: string } {
  const slash = repository.indexOf('/');
  return slash < 0
    ? { namespace: '', name: repository }
    : { namespace: repository.slice(0, slash), name: repository.slice(slash + 1) };
}

/** `<prefix>-` and sixteen characters, the same for the same text: tests can start anew and find the same ids. */
export function stableId(prefix: string, text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  return `${prefix}-${[...bytes].map((byte) => '0123456789abcdefghijklmnopqrstuvwxyz'[byte % 36]).join('')}`;
}

function touch(times: Map<string, PushTimes>, key: string, nowMs: number): void {
  times.set(key, { firstMs: times.get(key)?.firstMs ?? nowMs, lastMs: nowMs });
}
