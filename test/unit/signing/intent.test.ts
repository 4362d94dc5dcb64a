import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import type { Key, Registry, Rule } from '../../../src/rules/rule-set.ts';
import { type Demand, intentsOf } from '../../../src/signing/intent.ts';
import type { SigningKey } from '../../../src/signing/signing-key.ts';
import { signingKey, trustIn } from '../../support/signing-keys.ts';

const origin = { file: 'rules.yaml', line: 1 };
const registry = { name: 'lab', host: 'localhost:5000', identityHost: 'registry.example.com' } as Registry;
const scope = {
  registry,
  repository: 'prod/app',
  tag: 'v1',
  subject: { mediaType: mediaTypes.ociManifest, digest: digestOf(new Uint8Array()), size: 2 },
};
const rule = {
  name: 'release',
  mode: 'default',
  formats: ['notation'],
  algorithm: 'ECDSA_SHA_256',
  key: 'release',
  origin,
} as unknown as Rule;
const key: SigningKey = {
  key: { name: 'release' } as Key,
  signer: signingKey('EC_P256').signer,
  publicKeySha256: 'a'.repeat(64),
  certificateChain: [Buffer.from('leaf'), Buffer.from('root')],
  certificateSha256: 'b'.repeat(64),
  trust: await trustIn(signingKey('EC_P256')),
};

function ids(demands: readonly Partial<Demand>[], at = scope) {
  return intentsOf(demands.map(demandWith), at).map(({ id }) => id);
}

function demandWith(change: Partial<Demand>): Demand {
  return { rule, format: 'notation', signingKey: key, ...change };
}

const [id] = ids([{}]);

test('two rules that demand the same signature make one intent that names both', () => {
  const again = { ...rule, name: 'again' };
  const intents = intentsOf([demandWith({}), demandWith({ rule: again })], scope);
  expect(intents.map(({ rules }) => rules.map(({ name }) => name))).toEqual([['release', 'again']]);
});

test('the same demand has the same id at any time', () => {
  expect(ids([{ signingKey: { ...key } }])).toEqual([id]);
});

test.each<[string, Partial<Demand>]>([
  ['mode', { rule: { ...rule, mode: 'minimal' as const } }],
  ['algorithm', { rule: { ...rule, algorithm: 'RSA_PSS_SHA_256' as const } }],
  ['format', { format: 'cosign' as const }],
  ['key version', { signingKey: { ...key, publicKeySha256: 'c'.repeat(64) } }],
  ['certificate', { signingKey: { ...key, certificateChain: [Buffer.from('another leaf'), Buffer.from('root')] } }],
  [
    'root with the same leaf',
    { signingKey: { ...key, certificateChain: [Buffer.from('leaf'), Buffer.from('another root')] } },
  ],
])('another %s is another intent', (_name, change) => {
  expect(ids([change])).not.toEqual([id]);
});

test.each([
  ['tag', { tag: 'v2' }],
  ['repository', { repository: 'prod/other' }],
  ['digest', { subject: { ...scope.subject, digest: digestOf(Buffer.from('other')) } }],
  ['registry', { registry: { ...registry, name: 'other' } }],
  ['identity', { registry: { ...registry, identityHost: 'other.example.com' } }],
])('in mode default another %s is another intent', (_name, change) => {
  expect(ids([{}], { ...scope, ...change })).not.toEqual([id]);
});

test('in mode minimal all tags of a digest share one intent', () => {
  const minimal = { rule: { ...rule, mode: 'minimal' as const } };
  expect(ids([minimal], { ...scope, tag: 'v2' })).toEqual(ids([minimal]));
});

describe('of the format cosign', () => {
  // As the key ring gives it for a format without certificates.
  const bare = { ...key, certificateChain: [], certificateSha256: undefined };
  const cosign = { format: 'cosign' as const, signingKey: bare };
  const minimal = { ...cosign, rule: { ...rule, mode: 'minimal' as const } };

  test('mode minimal names the repository, as cosign itself does', () => {
    const [intent] = intentsOf([demandWith(minimal)], scope);
    expect(intent?.binding).toEqual({ mode: 'minimal', repository: 'registry.example.com/prod/app' });
  });

  test('in mode minimal all tags of a digest share one intent, and another identity is another one', () => {
    expect(ids([minimal], { ...scope, tag: 'v2' })).toEqual(ids([minimal]));
    const elsewhere = { ...scope, registry: { ...registry, identityHost: 'other.example.com' } };
    expect(ids([minimal], elsewhere)).not.toEqual(ids([minimal]));
  });

  test('in mode default another tag is another intent', () => {
    expect(ids([cosign], { ...scope, tag: 'v2' })).not.toEqual(ids([cosign]));
  });
});

test('a rule that demands both formats makes two intents', () => {
  expect(new Set(ids([{}, { format: 'cosign' }])).size).toBe(2);
});
