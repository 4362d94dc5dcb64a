import { expect, test } from 'vitest';
import { listInstances } from '../../../src/alibaba/acr-instance.ts';
import { listNamespaces, listRepositories, listTags } from '../../../src/alibaba/acr-repositories.ts';
import { listLifecycleRules, listSyncRules } from '../../../src/alibaba/acr-rules.ts';
import { type AcrScript, all, quickLimits, startScriptedAcr } from './scripted-acr.ts';

const hex = '67bfbcc1'.repeat(8);
const tagsNamed = (names: readonly string[]) => names.map((Tag) => ({ Tag, Digest: hex }));
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `v${from + i}`);

/** Pages by number over what `names` holds when each is asked for. */
function byNumber(names: () => readonly string[], { pageSize = 100, counts = true } = {}): AcrScript {
  return (_, query) => {
    const size = Math.min(pageSize, Number(query.get('PageSize')));
    const from = (Number(query.get('PageNo')) - 1) * size;
    const page = names().slice(from, from + size);
    return { Images: tagsNamed(page), ...(counts && { TotalCount: `${names().length}` }) };
  };
}

async function namesOf(script: AcrScript, limits = quickLimits) {
  await using acr = await startScriptedAcr(script, { limits });
  const names = (await all(listTags(acr.api, 'crr-1'))).map(({ name }) => name);
  return { names, queries: acr.queriesOf('ListRepoTag') };
}

test('asks for pages of 100 until it has what is counted', async () => {
  const { names, queries } = await namesOf(byNumber(() => numbered(0, 250)));
  expect(names).toEqual(numbered(0, 250));
  expect(queries.map((query) => [query.get('PageNo'), query.get('PageSize')])).toEqual([
    ['1', '100'],
    ['2', '100'],
    ['3', '100'],
  ]);
});

test('a full last page needs no further one', async () => {
  expect((await namesOf(byNumber(() => numbered(0, 100)))).queries).toHaveLength(1);
});

test('an empty list is one page', async () => {
  expect(await namesOf(byNumber(() => []))).toMatchObject({ names: [], queries: { length: 1 } });
});

test('a service that gives out smaller pages than asked for is read to the end', async () => {
  const { names, queries } = await namesOf(byNumber(() => numbered(0, 75), { pageSize: 30 }));
  expect(names).toEqual(numbered(0, 75));
  expect(queries).toHaveLength(3);
});

test('without a count it reads until a page is empty', async () => {
  const { names, queries } = await namesOf(byNumber(() => numbered(0, 130), { counts: false }));
  expect(names).toEqual(numbered(0, 130));
  expect(queries).toHaveLength(3);
});

test('follows tokens where an answer holds one', async () => {
  const { names, queries } = await namesOf((_, query) => {
    const from = Number(query.get('NextToken') ?? 0);
    const next = from + 100 < 250 ? `${from + 100}` : '';
    return { Images: tagsNamed(numbered(from, Math.min(from + 100, 250))), NextToken: next, TotalCount: 250 };
  });
  expect(names).toEqual(numbered(0, 250));
  expect(queries.map((query) => [query.get('NextToken'), query.get('MaxResults')])).toEqual([
    [null, null],
    ['100', '100'],
    ['200', '100'],
  ]);
});

test('an entry that is added at the front while it reads costs no other, and each is given once', async () => {
  let standing = numbered(0, 150);
  const pages = byNumber(() => standing);
  const { names } = await namesOf((action, query) => {
    const page = pages(action, query);
    if (query.get('PageNo') === '1') standing = ['new', ...standing];
    return page;
  });
  expect(names).toEqual(numbered(0, 150));
});

test('entries that go away while it reads hide none of the others', async () => {
  let standing = numbered(0, 150);
  const pages = byNumber(() => standing);
  let asked = 0;
  const { names } = await namesOf((action, query) => {
    const page = pages(action, query);
    asked += 1;
    // v100 moves from the second page to the first, which has been read.
    if (asked === 1) standing = standing.slice(1);
    return page;
  });
  expect([...names].sort()).toEqual(numbered(0, 150).sort());
});

test.each<[string, AcrScript, string]>([
  ['shrinks for ever', shrinking(), 'keep going away'],
  ['counts more than it lists', () => ({ Images: [], TotalCount: '7' }), '7 entries are counted and 0 listed'],
  ['counts more than its pages hold', pageOfOne(3), '3 entries are counted and 1 listed'],
  ['never ends', endless(), 'does not end after 20 pages'],
  ['gives the same token again', () => ({ Images: [], NextToken: 'again' }), 'does not end after 20 pages'],
])('a list that %s is an error, not a short list', async (_, script, message) => {
  await expect(namesOf(script, { ...quickLimits, pagesMax: 20 })).rejects.toMatchObject({
    code: 'registry-protocol',
    message: expect.stringContaining(message),
  });
});

function shrinking(): AcrScript {
  let left = 1_000;
  return (_, query) => {
    left -= 1;
    return { Images: tagsNamed([`v${query.get('PageNo')}-${left}`]), TotalCount: left };
  };
}

function pageOfOne(total: number): AcrScript {
  return (_, query) => ({ Images: query.get('PageNo') === '1' ? tagsNamed(['v1']) : [], TotalCount: total });
}

function endless(): AcrScript {
  let count = 0;
  return () => {
    count += 1;
    return { Images: tagsNamed([`v${count}`]), TotalCount: count + 1 };
  };
}

test.each([
  ['no list at all', {}],
  ['null', { Images: null }],
  ['an entry without a tag', { Images: [{ Digest: hex }] }],
  ['a count that is no number', { Images: [], TotalCount: 'many' }],
])('an answer with %s is an error, not an empty list', async (_, body) => {
  await expect(namesOf(() => body)).rejects.toMatchObject({ code: 'registry-protocol' });
});

test('a page that fails ends the list with its error', async () => {
  const pages = byNumber(() => numbered(0, 250));
  const failing: AcrScript = (action, query) =>
    query.get('PageNo') === '2' ? { IsSuccess: false, Code: 'NoPermission' } : pages(action, query);
  await expect(namesOf(failing)).rejects.toMatchObject({ code: 'registry-denied' });
});

test('ends between pages when it is told to', async () => {
  const stopping = new AbortController();
  await using acr = await startScriptedAcr((action, query) => {
    stopping.abort(new Error('enough'));
    return byNumber(() => numbered(0, 250))(action, query);
  });
  await expect(all(listTags(acr.api, 'crr-1', { signal: stopping.signal }))).rejects.toThrow('enough');
  expect(acr.actions()).toHaveLength(1);
});

test.each([
  [hex, `sha256:${hex}`],
  [`sha256:${hex}`, `sha256:${hex}`],
  ['67bfbcc1', undefined],
  ['', undefined],
  [null, undefined],
])('the digest %s of a tag is %s', async (Digest, expected) => {
  await using acr = await startScriptedAcr(() => ({ Images: [{ Tag: 'v1', Digest }], TotalCount: 1 }));
  expect((await all(listTags(acr.api, 'crr-1')))[0]?.digest).toBe(expected);
});

test.each([
  [1_700_000_000_000, '2023-11-14T22:13:20.000Z'],
  ['1700000000000', '2023-11-14T22:13:20.000Z'],
  // Seconds, no time, one without a zone, and one that nobody pushed at.
  [1_700_000_000, undefined],
  ['', undefined],
  ['2021-11-15 20:49:40', undefined],
  ['99999999999999', undefined],
  [null, undefined],
  [-1, undefined],
])('the update %s of a tag is the time %s', async (ImageUpdate, expected) => {
  await using acr = await startScriptedAcr(() => ({ Images: [{ Tag: 'v1', ImageUpdate }], TotalCount: 1 }));
  expect((await all(listTags(acr.api, 'crr-1')))[0]?.updatedAt?.toISOString()).toBe(expected);
});

test('lists namespaces, repositories of one, instances and rules', async () => {
  await using acr = await startScriptedAcr((action) => {
    switch (action) {
      case 'ListNamespace':
        return { Namespaces: [{ NamespaceId: 'crn-1', NamespaceName: 'team', AutoCreateRepo: true }], TotalCount: '1' };
      case 'ListRepository':
        return {
          Repositories: [
            { RepoId: 'crr-1', RepoNamespaceName: 'team', RepoName: 'agent/client', RepoStatus: 'NORMAL' },
          ],
          TotalCount: '1',
        };
      case 'ListInstance':
        return { Instances: [{ InstanceId: 'cri-1', CreateTime: '1571926439000' }], TotalCount: 1 };
      case 'ListArtifactLifecycleRule':
        return {
          Rules: [
            {
              RuleId: 'cralr-1',
              Scope: 'REPO',
              EnableDeleteTag: true,
              RetentionTagCount: '30',
              TagRegexp: '.*-alpine',
              Auto: true,
            },
          ],
          TotalCount: 1,
        };
      default:
        return {
          SyncRules: [{ SyncRuleId: 'crsr-1', SyncDirection: 'FROM', TagFilter: 'v.*', CrossUser: false }],
          TotalCount: 1,
        };
    }
  });
  expect(await all(listNamespaces(acr.api))).toEqual([
    { id: 'crn-1', name: 'team', status: '', createsRepositories: true },
  ]);
  expect(await all(listRepositories(acr.api, 'team'))).toEqual([
    { id: 'crr-1', namespace: 'team', name: 'agent/client', status: 'NORMAL', tagsAreImmutable: false },
  ]);
  expect(acr.queriesOf('ListRepository')[0]?.get('RepoNamespaceName')).toBe('team');
  expect(await all(listInstances(acr.api))).toMatchObject([{ id: 'cri-1' }]);
  expect(await all(listLifecycleRules(acr.api))).toMatchObject([
    { id: 'cralr-1', deletesTags: true, keptTags: 30, keptTagsPattern: '.*-alpine', isAutomatic: true },
  ]);
  expect(await all(listSyncRules(acr.api))).toMatchObject([{ id: 'crsr-1', direction: 'FROM', tagPattern: 'v.*' }]);
});
