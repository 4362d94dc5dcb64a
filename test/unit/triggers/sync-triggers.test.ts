import { expect, test } from 'vitest';
import { syncTriggers } from '../../../src/triggers/sync-triggers.ts';
import { startScriptedAcr } from '../alibaba/scripted-acr.ts';

test.each([
  ['NORMAL', ['going', 'prod']],
  ['DELETING', ['prod']],
])('a namespace that is %s beside another: repositories are listed in %j', async (NamespaceStatus, expected) => {
  const asked: (string | null)[] = [];
  await using acr = await startScriptedAcr((action, query) => {
    if (action === 'ListNamespace')
      return { Namespaces: [{ NamespaceName: 'going', NamespaceStatus }, { NamespaceName: 'prod' }], TotalCount: 2 };
    asked.push(query.get('RepoNamespaceName'));
    return { Repositories: [], TotalCount: 0 };
  });
  const options = { api: acr.api, ruleSet: { rules: [] }, registry: 'lab', url: undefined, dryRun: true };
  await syncTriggers({ ...options, signal: new AbortController().signal });
  expect(asked).toEqual(expected);
});
