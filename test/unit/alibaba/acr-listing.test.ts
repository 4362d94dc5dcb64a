import { expect, test } from 'vitest';
import { createAcrListing } from '../../../src/alibaba/acr-listing.ts';
import { listTags } from '../../../src/alibaba/acr-repositories.ts';
import { all, startScriptedAcr } from './scripted-acr.ts';

const repositoryOf = (RepoNamespaceName: string, RepoName: string, RepoId: string) => ({
  RepoId,
  RepoName,
  RepoNamespaceName,
  RepoStatus: 'NORMAL',
});

test('a repository that is deleted after it was listed holds no tags', async () => {
  await using acr = await startScriptedAcr((action) => {
    if (action === 'ListNamespace') return { Namespaces: [{ NamespaceName: 'prod' }], TotalCount: 1 };
    if (action === 'ListRepository') return { Repositories: [repositoryOf('prod', 'api', 'crr-1')], TotalCount: '1' };
    return { httpStatus: 404, Code: 'REPO_NOT_EXIST', Message: 'no such repository' };
  });
  const listing = createAcrListing(acr.api);
  expect(await all(listing.listRepositories(() => true))).toEqual(['prod/api']);
  expect(await all(listing.listTags('prod/api'))).toEqual([]);
});

test('a namespace that is deleted after it was listed does not hide the others', async () => {
  await using acr = await startScriptedAcr((action, query) => {
    if (action === 'ListNamespace')
      return { Namespaces: [{ NamespaceName: 'gone' }, { NamespaceName: 'prod' }], TotalCount: 2 };
    if (query.get('RepoNamespaceName') === 'prod')
      return { Repositories: [repositoryOf('prod', 'api', 'crr-1')], TotalCount: '1' };
    return { httpStatus: 404, Code: 'NAMESPACE_NOT_EXIST', Message: 'no such namespace' };
  });
  expect(await all(createAcrListing(acr.api).listRepositories(() => true))).toEqual(['prod/api']);
});

test('a namespace that is being deleted is not listed', async () => {
  const asked: (string | null)[] = [];
  await using acr = await startScriptedAcr((action, query) => {
    if (action === 'ListNamespace')
      return {
        Namespaces: [{ NamespaceName: 'going', NamespaceStatus: 'DELETING' }, { NamespaceName: 'prod' }],
        TotalCount: 2,
      };
    const namespace = query.get('RepoNamespaceName') ?? '';
    asked.push(namespace);
    return { Repositories: [repositoryOf(namespace, 'api', `crr-${namespace}`)], TotalCount: '1' };
  });
  expect(await all(createAcrListing(acr.api).listRepositories(() => true))).toEqual(['prod/api']);
  expect(asked).toEqual(['prod']);
});

test('one tag that goes and one that comes while the first page is worked on hide none of the others', async () => {
  let standing = Array.from({ length: 150 }, (_, i) => `v${i}`);
  await using acr = await startScriptedAcr((_, query) => {
    const from = (Number(query.get('PageNo')) - 1) * 100;
    const page = standing.slice(from, from + 100);
    return { Images: page.map((Tag) => ({ Tag })), TotalCount: `${standing.length}` };
  });
  const names: string[] = [];
  for await (const { name } of listTags(acr.api, 'crr-1')) {
    names.push(name);
    if (name === 'v50') standing = [...standing.filter((other) => other !== 'v5'), 'v150'];
  }
  expect(names).toContain('v100');
});

test('a call that is throttled with a code that nobody has documented is tried again', async () => {
  let calls = 0;
  await using acr = await startScriptedAcr(() => {
    calls += 1;
    return calls === 1 ? { httpStatus: 429, Code: 'ServiceBusy', Message: 'x' } : { Images: [], TotalCount: 0 };
  });
  expect(await all(listTags(acr.api, 'crr-1'))).toEqual([]);
  expect(calls).toBe(2);
});

test.each([{ TotalCount: '0' }, { TotalCount: 0, Images: null }])('an answer %o is an empty list', async (answer) => {
  await using acr = await startScriptedAcr(() => answer);
  expect(await all(listTags(acr.api, 'crr-1'))).toEqual([]);
});

test.each([{}, { TotalCount: 5 }, { Images: null }])('an answer %o is no list', async (answer) => {
  await using acr = await startScriptedAcr(() => answer);
  await expect(all(listTags(acr.api, 'crr-1'))).rejects.toMatchObject({ code: 'registry-protocol' });
});
