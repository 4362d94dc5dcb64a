import { describe, expect, test } from 'vitest';
import type { Format } from '../../../src/domain/algorithm.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { Key, Rule, RuleSet } from '../../../src/rules/rule-set.ts';
import { type LoadKeyRingOptions, loadKeyRing } from '../../../src/signing/key-ring.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';

const dayMs = 24 * 3600 * 1000;
const now = new Date();
const release = signingKey('EC_P256');
const other = signingKey('EC_P256', 'other');
const files: Record<string, string> = {
  'release.pub.pem': release.publicKeyPem,
  'release.pem': await signingCertificate(release),
  'other.pub.pem': other.publicKeyPem,
  'other.pem': await signingCertificate(other),
  'ended.pem': await signingCertificate(release, {
    notBefore: new Date(now.getTime() - 20 * dayMs),
    notAfter: new Date(now.getTime() - dayMs),
  }),
  'later.pem': await signingCertificate(release, { notBefore: new Date(now.getTime() + dayMs) }),
  'empty.pem': '',
};

const key: Key = {
  name: 'release',
  spec: 'EC_P256',
  source: { kind: 'local', privateKeyFile: 'private.pem' },
  publicKeyFile: 'release.pub.pem',
  publicKeySha256: release.publicKeySha256,
  certificateChain: 'release.pem',
  trusted: [],
  renewBeforeMs: 30 * dayMs,
  origin: { file: 'rules.yaml', line: 3 },
};

const notationRules = [
  { key: 'release', state: 'sign', formats: ['notation'] },
  { key: 'bystander', state: 'sign', formats: ['notation'] },
] as unknown as Rule[];

async function ringWith(
  change: Partial<Key>,
  { rules = notationRules, ...options }: Partial<LoadKeyRingOptions> & { readonly rules?: Rule[] } = {},
) {
  const changed = { ...key, ...change };
  const bystander = { ...key, name: 'bystander' };
  const ruleSet = {
    keys: new Map([
      ['release', changed],
      ['bystander', bystander],
    ]),
    rules,
  } as unknown as RuleSet;
  return loadKeyRing({
    ruleSet,
    createSigner: async () => release.signer,
    probe: async () => undefined,
    readTextFile: async (file) => {
      const text = files[file];
      if (text === undefined) throw new Error('ENOENT');
      return text;
    },
    clock: { now: () => now },
    ...options,
  });
}

test('a key whose files fit is ready', async () => {
  const state = (await ringWith({})).get('release');
  expect(state).toMatchObject({ state: 'ready', signingKey: { publicKeySha256: release.publicKeySha256 } });
});

test('an ended certificate under trusted stays in the trust without pausing the key', async () => {
  const trusted = [{ publicKeyFile: 'release.pub.pem', keyVersionId: 'v0', certificateChain: 'ended.pem' }];
  const state = (await ringWith({ trusted })).get('release');
  expect(state.state === 'ready' && state.signingKey.trust.versions.map(({ keyVersionId }) => keyVersionId)).toEqual([
    undefined,
    'v0',
  ]);
});

describe('a key is paused, with the reason, and no other key is', () => {
  test.each<[string, Partial<Key>, string]>([
    ['without publicKeyFile', { publicKeyFile: undefined }, 'autosign cert issue release'],
    ['without publicKeySha256', { publicKeySha256: undefined }, 'autosign cert issue release'],
    ['without certificateChain', { certificateChain: undefined }, 'autosign cert issue release'],
    ['with a file that is not there', { publicKeyFile: 'gone.pem' }, 'gone.pem cannot be read'],
    ['with a hash of another key', { publicKeySha256: other.publicKeySha256 }, 'publicKeySha256 does not fit'],
    ["with another key's certificate", { certificateChain: 'other.pem' }, 'other.pem'],
    ['with a chain file that holds none', { certificateChain: 'empty.pem' }, 'empty.pem'],
    ['with a public key file that is a certificate chain', { publicKeyFile: 'empty.pem' }, 'empty.pem'],
    ['with a certificate that has ended', { certificateChain: 'ended.pem' }, 'ended on'],
    ['with a certificate that begins tomorrow', { certificateChain: 'later.pem' }, 'begins on'],
    ['of another spec', { spec: 'RSA_2048' }, 'release.pem'],
  ])('%s', async (_name, change, reason) => {
    const ring = await ringWith(change);
    expect(ring.get('release')).toMatchObject({ state: 'paused', reason: expect.stringContaining(reason) });
    expect(ring.get('bystander').state).toBe('ready');
  });

  test('whose source says it is disabled', async () => {
    const probe = async ({ name }: Key) => {
      if (name === 'release') throw new AutosignError('key-unusable', 'its state in KMS is Disabled');
    };
    const ring = await ringWith({}, { probe });
    expect(ring.get('release')).toMatchObject({ state: 'paused', reason: 'its state in KMS is Disabled' });
    expect(ring.get('bystander').state).toBe('ready');
  });

  test.each(['ended.pem', 'later.pem'])('and tells the end of its certificate all the same: %s', async (chain) => {
    const state = (await ringWith({ certificateChain: chain })).get('release');
    expect(state.state === 'paused' && state.notAfter).toBeInstanceOf(Date);
  });

  test('and tells the end of its certificate when its source cannot be asked', async () => {
    const ready = (await ringWith({})).get('release');
    const probe = () => Promise.reject(new AutosignError('kms-unreachable', 'down'));
    const paused = (await ringWith({}, { probe })).get('release');
    expect(paused.state === 'paused' && paused.notAfter).toEqual(
      ready.state === 'ready' && ready.signingKey.trust.versions[0].notAfter,
    );
  });

  test('whose certificate ends while the service runs', async () => {
    let time = now;
    const ring = await ringWith({}, { clock: { now: () => time } });
    expect(ring.get('release').state).toBe('ready');
    time = new Date(now.getTime() + 366 * dayMs);
    expect(ring.get('release')).toMatchObject({
      state: 'paused',
      reason: expect.stringContaining('autosign cert issue release'),
    });
  });
});

test('a defect of ours is not taken for a paused key', async () => {
  const createSigner = () => Promise.reject(new TypeError('defect'));
  await expect(ringWith({}, { createSigner })).rejects.toThrow('defect');
});

test('a key that no rule in force uses is not opened', async () => {
  const ring = await ringWith({});
  expect(ring.get('unused')).toMatchObject({ state: 'paused' });
});

describe('a key that signs with and without certificate', () => {
  const formats = (...of: Format[]) => [{ key: 'release', state: 'sign', formats: of }] as unknown as Rule[];

  test('needs none for cosign, and its intents do not know of one', async () => {
    const ring = await ringWith({ certificateChain: undefined }, { rules: formats('cosign') });
    expect(ring.get('release')).toMatchObject({
      state: 'ready',
      signingKey: { certificateChain: [], certificateSha256: undefined, publicKeySha256: release.publicKeySha256 },
    });
  });

  test.each<[string, Partial<Key>, string]>([
    ['without publicKeyFile', { publicKeyFile: undefined }, 'autosign cert public-key release'],
    ['without publicKeySha256', { publicKeySha256: undefined }, 'autosign cert public-key release'],
    ['with a hash of another key', { publicKeySha256: other.publicKeySha256 }, 'publicKeySha256 does not fit'],
    ['of another spec', { spec: 'RSA_3072' }, 'release.pub.pem: the public key is of EC_P256'],
  ])('is paused for cosign %s', async (_name, change, reason) => {
    const ring = await ringWith(change, { rules: formats('cosign') });
    expect(ring.get('release', 'cosign')).toEqual({ state: 'paused', reason: expect.stringContaining(reason) });
  });

  test.each<[string, Partial<Key>]>([
    ['none', { certificateChain: undefined }],
    ['one that has ended', { certificateChain: 'ended.pem' }],
    ["another key's", { certificateChain: 'other.pem' }],
  ])('goes on with cosign and waits for notation when its certificate is %s', async (_name, change) => {
    const ring = await ringWith(change, { rules: formats('notation', 'cosign') });
    expect(ring.get('release', 'cosign').state).toBe('ready');
    expect(ring.get('release', 'notation').state).toBe('paused');
    expect(ring.get('release').state).toBe('paused');
  });

  test('is paused for a format that no rule demands of it', async () => {
    const ring = await ringWith({}, { rules: formats('notation') });
    expect(ring.get('release', 'cosign')).toEqual({ state: 'paused', reason: expect.stringContaining('cosign') });
  });

  test('trusts the public keys under trusted, with or without a certificate', async () => {
    const trusted = [
      { publicKeyFile: 'other.pub.pem', keyVersionId: 'v0', certificateChain: undefined },
      { publicKeyFile: 'release.pub.pem', keyVersionId: 'v1', certificateChain: 'ended.pem' },
    ];
    const ring = await ringWith({ trusted }, { rules: formats('notation', 'cosign') });
    const versions = (format: Format) => {
      const state = ring.get('release', format);
      return state.state === 'ready' ? state.signingKey.trust.versions.map(({ keyVersionId }) => keyVersionId) : [];
    };
    expect(versions('cosign')).toEqual([undefined, 'v0', 'v1']);
    expect(versions('notation')).toEqual([undefined, 'v1']);
  });
});
