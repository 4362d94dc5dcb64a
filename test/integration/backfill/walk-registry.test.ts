import { describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { putManifest } from '../../../infra/images/registry-upload.ts';
import { walkRegistry } from '../../../src/backfill/walk-registry.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import type { RegistryClient } from '../../../src/registry/registry-client.ts';
import type { Rule } from '../../../src/rules/rule-set.ts';
import { uniqueRepository } from '../../support/names.ts';
import { clientFor } from '../../unit/registry/client-for.ts';
import { loadText, rulesText } from '../../unit/rules/rules-text.ts';

const registries: readonly [string, string | undefined][] = [
  ['docker-registry, without the referrers API', inject('fallbackHost')],
  ['a registry with the referrers API', inject('referrersHost')],
];

/** One rule over a namespace that no other test uses. */
async function ruleOver(namespace: string, more = ''): Promise<Rule> {
  const [rule] = (
    await loadText(
      rulesText({ rule: `, namespaces: { include: [${namespace}] }, key: dev, algorithm: ECDSA_SHA_256${more}` }),
    )
  ).rules;
  if (rule === undefined) throw new Error('the file has a rule');
  return rule;
}

function uniqueNamespace(): string {
  return uniqueRepository('walk').replace('prod/', '');
}

async function walk(client: RegistryClient, rules: readonly Rule[], concurrency = 2) {
  const options = {
    client,
    listing: createOciListing(client),
    rules,
    concurrency,
    signal: new AbortController().signal,
  };
  const walked = await Array.fromAsync(walkRegistry(options));
  return walked
    .map(({ repository, tag, digest, rules: selecting }) => ({
      image: `${repository}:${tag}`,
      digest,
      rules: selecting.map((rule) => rule.name),
    }))
    .sort((a, b) => (a.image < b.image ? -1 : 1));
}

describe.each(registries)('%s', (_, possibleHost) => {
  const host = possibleHost ?? '';
  const realTest = test.skipIf(possibleHost === undefined);

  realTest('finds every selected tag with what it points at, and no other', async () => {
    await using client = clientFor(host);
    const namespace = uniqueNamespace();
    const push = (repository: string, tag: string, kind: Parameters<typeof pushImage>[0]['kind'] = 'oci-manifest') =>
      pushImage({ host, repository: `${namespace}/${repository}`, tag, kind });
    const expected = [
      { image: `${namespace}/app:v1`, digest: (await push('app', 'v1')).digest, rules: ['all'] },
      { image: `${namespace}/app:v2`, digest: (await push('app', 'v2', 'oci-index')).digest, rules: ['all'] },
      {
        image: `${namespace}/app:v3`,
        digest: (await push('app', 'v3', 'docker-manifest-list')).digest,
        rules: ['all'],
      },
      {
        image: `${namespace}/team/web:v1`,
        digest: (await push('team/web', 'v1', 'docker-manifest')).digest,
        rules: ['all'],
      },
    ];
    await push('app', 'v1-rc1');
    await push('app', 'latest');
    await push('sandbox/app', 'v1');
    await pushImage({ host, repository: uniqueRepository('other'), tag: 'v1', kind: 'oci-manifest' });
    const rule = await ruleOver(
      namespace,
      ', repositories: { exclude: ["sandbox/**"] }, tags: { include: ["v*"], exclude: ["*-rc*"] }',
    );
    expect(await walk(client, [rule])).toEqual(expected);
  });

  realTest('names each rule that selects a tag, and walks the tag once', async () => {
    await using client = clientFor(host);
    const namespace = uniqueNamespace();
    for (const tag of ['v1', 'latest']) {
      await pushImage({ host, repository: `${namespace}/app`, tag, kind: 'oci-manifest' });
    }
    const everything = await ruleOver(namespace);
    const releases = { ...(await ruleOver(namespace, ', tags: { include: ["v*"] }')), name: 'releases' };
    expect((await walk(client, [everything, releases])).map(({ image, rules }) => ({ image, rules }))).toEqual([
      { image: `${namespace}/app:latest`, rules: ['all'] },
      { image: `${namespace}/app:v1`, rules: ['all', 'releases'] },
    ]);
  });

  realTest('leaves out the tags that hold signatures, whatever the rule says', async () => {
    await using client = clientFor(host);
    const namespace = uniqueNamespace();
    const target = { host, repository: `${namespace}/app` };
    const { digest, mediaType, manifest } = await pushImage({ ...target, tag: 'v1', kind: 'oci-manifest' });
    const base = digest.replace(':', '-');
    for (const tag of [base, `${base}.sig`, `${base}.att`, `${base}.sbom`]) {
      await putManifest(target, tag, mediaType, manifest);
    }
    expect((await Array.fromAsync(client.listTags(target.repository))).length).toBe(5);
    expect(await walk(client, [await ruleOver(namespace)])).toMatchObject([{ image: `${namespace}/app:v1`, digest }]);
  });

  realTest('leaves out a tag that vanished after it was listed', async () => {
    await using client = clientFor(host);
    const namespace = uniqueNamespace();
    await pushImage({ host, repository: `${namespace}/app`, tag: 'v1', kind: 'oci-manifest' });
    const slow: RegistryClient = {
      ...client,
      listTags: async function* (...args: Parameters<RegistryClient['listTags']>) {
        yield 'v0';
        yield* client.listTags(...args);
      },
    };
    expect(await walk(slow, [await ruleOver(namespace)])).toMatchObject([{ image: `${namespace}/app:v1` }]);
  });

  realTest('finds nothing in a repository that is not there', async () => {
    await using client = clientFor(host);
    expect(await walk(client, [await ruleOver(uniqueNamespace(), ', repositories: { include: [app] }')])).toEqual([]);
  });

  realTest('goes on over pages of tags, with any number at once', async () => {
    await using client = clientFor(host, { limits: { listPageSize: 2 } });
    const namespace = uniqueNamespace();
    const target = { host, repository: `${namespace}/app` };
    const { manifest, mediaType } = await pushImage({ ...target, tag: 'v0', kind: 'oci-manifest' });
    for (let number = 1; number < 7; number += 1) await putManifest(target, `v${number}`, mediaType, manifest);
    const rule = await ruleOver(namespace, ', repositories: { include: [app] }');
    for (const concurrency of [1, 3, 7, 20]) {
      const walked = await walk(client, [rule], concurrency);
      expect(walked.map(({ image }) => image)).toEqual(
        Array.from({ length: 7 }, (__, number) => `${namespace}/app:v${number}`),
      );
      expect(new Set(walked.map(({ digest }) => digest))).toEqual(new Set([digestOf(manifest)]));
    }
  });
});
