import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { type WalkedTag, type WalkOptions, walkRegistry } from '../../../src/backfill/walk-registry.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import type { Rule } from '../../../src/rules/rule-set.ts';
import { clientFor } from '../registry/client-for.ts';
import { type Answer, type Script, startScriptedServer } from '../registry/scripted-server.ts';
import { loadText, rulesText } from '../rules/rules-text.ts';

const digest = digestOf(Buffer.from('image'));

async function rulesOf(...selections: readonly string[]): Promise<readonly Rule[]> {
  const rules = selections.map(
    (selection, number) =>
      `  - { name: rule-${number}, registries: [lab], key: dev, algorithm: ECDSA_SHA_256, ${selection} }`,
  );
  return (await loadText(rulesText({ rest: rules.join('\n') }))).rules.slice(1);
}

const json = (body: unknown, headers: Record<string, string> = {}): Answer => ({
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});
const found: Answer = { headers: { 'docker-content-digest': digest } };

/** Walks a registry that plays `script`. */
async function walk(script: Script, options: Pick<WalkOptions, 'rules'> & Partial<WalkOptions>) {
  await using server = await startScriptedServer(script);
  await using client = clientFor(server.host);
  const signal = new AbortController().signal;
  const outcome: WalkedTag[] | unknown = await Array.fromAsync(
    walkRegistry({ client, listing: createOciListing(client), concurrency: 8, signal, ...options }),
  ).catch((error: unknown) => error);
  return { outcome, paths: server.received.map(({ path }) => path) };
}

const named = 'namespaces: { include: [prod] }, repositories: { include: [app, shop/web] }';
const pattern = 'namespaces: { include: [prod] }';

describe('a walk over a registry', () => {
  test('asks for no catalogue when every rule names its repositories', async () => {
    const script: Script = ({ path }) => (path.includes('/tags/list') ? json({ tags: ['v1'] }) : found);
    const rules = await rulesOf(named, 'namespaces: { include: [prod, team] }, repositories: { include: [app] }');
    const { outcome, paths } = await walk(script, { rules });
    expect(outcome).toEqual([
      { repository: 'prod/app', tag: 'v1', digest, pushedAt: undefined, rules },
      { repository: 'prod/shop/web', tag: 'v1', digest, pushedAt: undefined, rules: [rules[0]] },
      { repository: 'team/app', tag: 'v1', digest, pushedAt: undefined, rules: [rules[1]] },
    ]);
    expect(paths.filter((path) => path.includes('_catalog'))).toEqual([]);
  });

  test.each([
    ['a pattern of namespaces', 'namespaces: { include: ["pro*"] }, repositories: { include: [app] }'],
    ['a pattern of repositories', 'namespaces: { include: [prod] }, repositories: { include: ["**"] }'],
    ['no namespaces', 'repositories: { include: [app] }'],
    ['no repositories', pattern],
  ])('asks for the catalogue for %s', async (_, selection) => {
    const script: Script = ({ path }) => {
      if (path.includes('_catalog')) return json({ repositories: ['prod/app', 'other/thing'] });
      return path.includes('/tags/list') ? json({ tags: ['v1'] }) : found;
    };
    const { outcome, paths } = await walk(script, { rules: await rulesOf(selection) });
    expect(outcome).toMatchObject([{ repository: 'prod/app', tag: 'v1' }]);
    expect(paths.filter((path) => path.includes('other/thing'))).toEqual([]);
  });

  test.each([
    [403, 'registry-denied'],
    [503, 'registry-unreachable'],
    [429, 'registry-throttled'],
  ])('ends with an error when the catalogue answers %d', async (status, code) => {
    const { outcome } = await walk(() => ({ status }), { rules: await rulesOf(pattern) });
    expect(outcome).toMatchObject({ code });
  });

  test('ends with an error when one tag cannot be looked up, as a list that leaves something out looks complete', async () => {
    const script: Script = ({ path }) => {
      if (path.includes('/tags/list')) return json({ tags: ['v1', 'v2', 'v3'] });
      return path.endsWith('v2') ? { status: 500 } : found;
    };
    const { outcome } = await walk(script, { rules: await rulesOf(named) });
    expect(outcome).toMatchObject({ code: 'registry-unreachable' });
  });

  // A rejection that nobody hears of ends a Node process; vitest reports it as an error of the run.
  test('a registry that fails between two pages of tags fails the walk and nothing else', async () => {
    const script: Script = ({ path }, response) => {
      if (!path.includes('/tags/list')) return { status: 500 };
      if (!path.includes('last=')) return json({ tags: ['v1', 'v2'] }, { link: `<${path}&last=v2>; rel="next"` });
      setTimeout(() => response.writeHead(500).end(), 100);
      return undefined;
    };
    const unheard: unknown[] = [];
    const listener = (reason: unknown) => unheard.push(reason);
    process.on('unhandledRejection', listener);
    try {
      const { outcome } = await walk(script, { rules: await rulesOf(named) });
      expect(outcome).toMatchObject({ code: 'registry-unreachable' });
      expect(unheard).toEqual([]);
    } finally {
      process.off('unhandledRejection', listener);
    }
  });

  test('looks up no more tags at once than it may', async () => {
    const tags = Array.from({ length: 10 }, (_, number) => `v${number}`);
    const waiting = new Set<ServerResponse>();
    let most = 0;
    const script: Script = ({ path }, response) => {
      if (path.includes('/tags/list')) return json({ tags: path.includes('prod/app') ? tags : [] });
      waiting.add(response);
      most = Math.max(most, waiting.size);
      setTimeout(() => {
        waiting.delete(response);
        response.writeHead(200, found.headers).end();
      }, 20);
      return undefined;
    };
    const { outcome } = await walk(script, { rules: await rulesOf(named), concurrency: 3 });
    expect(outcome).toHaveLength(10);
    expect(most).toBe(3);
  });

  test('ends at once when it is told to stop while a request has no answer', async () => {
    const stopping = new AbortController();
    const script: Script = () => {
      stopping.abort();
      return undefined;
    };
    const { outcome } = await walk(script, { rules: await rulesOf(pattern), signal: stopping.signal });
    expect(outcome).toBe(stopping.signal.reason);
  });

  test('asks nothing of the registry when it was told to stop before', async () => {
    const { outcome, paths } = await walk(() => found, { rules: await rulesOf(named), signal: AbortSignal.abort() });
    expect(outcome).toMatchObject({ name: 'AbortError' });
    expect(paths).toEqual([]);
  });
});
