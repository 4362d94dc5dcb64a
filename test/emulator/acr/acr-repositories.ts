import { requireParameter } from '../openapi-error.ts';
import { type AcrAction, type AcrCall, instanceOf } from './acr-call.ts';
import type { CheckedNamespace } from './acr-config.ts';
import { type AcrInstance, type AcrRepository, stableId } from './acr-instance.ts';
import { anyPage, numberedPage } from './acr-paging.ts';
import { authorizeBelow, authorizeRepositories, authorizeRepository } from './acr-ram.ts';
import { AcrRefusal } from './acr-refusal.ts';

/** `TotalCount` is a string in this list and the next ones. */
export const listNamespace: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeRepositories(call.identity, 'cr:ListNamespace', instance);
  const named = call.query.get('NamespaceName') ?? '';
  const all = [...instance.namespaces.values()].filter(({ name }) => name.includes(named));
  const { items, fields } = numberedPage(all, call.query);
  const Namespaces = items.map((namespace) => describeNamespace(instance, namespace));
  return { Namespaces, ...fields, TotalCount: `${all.length}` };
};

export const getNamespace: AcrAction = (call) => {
  const instance = instanceOf(call);
  const name = call.query.get('NamespaceName');
  const namespace = [...instance.namespaces.values()].find(
    (candidate) => candidate.name === name || namespaceId(instance, candidate) === call.query.get('NamespaceId'),
  );
  authorizeBelow(call.identity, 'cr:GetNamespace', instance, namespace?.name ?? name ?? '');
  if (namespace === undefined) throw new AcrRefusal('NAMESPACE_NOT_EXIST');
  return describeNamespace(instance, namespace);
};

/** Inferred: `RepoName` finds names that contain it, so a caller must compare; `RepoNamespaceName` is exact. */
export const listRepository: AcrAction = async (call) => {
  const { query, identity } = call;
  const instance = instanceOf(call);
  const namespace = query.get('RepoNamespaceName') ?? '';
  authorizeBelow(identity, 'cr:ListRepository', instance, namespace === '' ? '*' : `${namespace}/*`);
  // Status NORMAL is all that is emulated.
  const isWanted = ['', 'ALL', 'NORMAL'].includes(query.get('RepoStatus') ?? '');
  const all = (isWanted ? await instance.repositories() : []).filter(
    (repository) =>
      (namespace === '' || repository.namespace === namespace) && repository.name.includes(query.get('RepoName') ?? ''),
  );
  const { items, fields } = anyPage(all, query, ({ fullName }) => fullName);
  const Repositories = items.map((repository) => describeRepository(instance, repository));
  return { Repositories, ...fields, TotalCount: `${all.length}` };
};

export const getRepository: AcrAction = async (call) => {
  const { query, identity } = call;
  const instance = instanceOf(call);
  if (query.has('RepoId')) {
    const repository = await repositoryOf(call, instance);
    authorizeRepository(identity, 'cr:GetRepository', instance, repository.fullName);
    return describeRepository(instance, repository);
  }
  const fullName = `${requireParameter(query, 'RepoNamespaceName')}/${requireParameter(query, 'RepoName')}`;
  authorizeRepository(identity, 'cr:GetRepository', instance, fullName);
  if (!(await instance.exists(fullName))) throw new AcrRefusal('REPO_NOT_EXIST');
  return describeRepository(instance, instance.describe(fullName));
};

/** The repository that `RepoId` names. */
export async function repositoryOf({ query }: AcrCall, instance: AcrInstance): Promise<AcrRepository> {
  const repository = await instance.findRepository(requireParameter(query, 'RepoId'));
  if (repository === undefined) throw new AcrRefusal('REPO_NOT_EXIST');
  return repository;
}

function namespaceId({ instanceId }: AcrInstance, { name }: CheckedNamespace): string {
  return stableId('crn', `${instanceId}/${name}`);
}

function describeNamespace(instance: AcrInstance, namespace: CheckedNamespace) {
  const { name, autoCreateRepo, defaultRepoType, tagImmutability } = namespace;
  return {
    NamespaceId: namespaceId(instance, namespace),
    NamespaceName: name,
    NamespaceStatus: 'NORMAL',
    InstanceId: instance.instanceId,
    ResourceGroupId: 'rg-emulated',
    AutoCreateRepo: autoCreateRepo,
    DefaultRepoType: defaultRepoType,
    DefaultRepoConfiguration: { RepoType: defaultRepoType, TagImmutability: tagImmutability },
  };
}

function describeRepository({ instanceId }: AcrInstance, repository: AcrRepository) {
  return {
    RepoId: repository.repoId,
    RepoName: repository.name,
    RepoNamespaceName: repository.namespace,
    RepoType: repository.repoType,
    RepoStatus: 'NORMAL',
    RepoBuildType: 'MANUAL',
    TagImmutability: repository.tagImmutability,
    Summary: repository.summary,
    CreateTime: repository.createdAtMs,
    ModifiedTime: repository.modifiedAtMs,
    InstanceId: instanceId,
    ResourceGroupId: 'rg-emulated',
  };
}
