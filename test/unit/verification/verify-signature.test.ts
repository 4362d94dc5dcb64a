import { beforeAll, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { cosign } from '../../../src/formats/cosign.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import type { Binding } from '../../../src/formats/signature-format.ts';
import { readTrustedVersion, type TrustedVersion } from '../../../src/verification/trust.ts';
import { type SignatureDemand, verifySignature } from '../../../src/verification/verify-signature.ts';
import { authorityExtensions, issueWithOpenssl, leafExtensions } from '../../support/certificate-chains.ts';
import { signWithCosign, trustInKeys } from '../../support/cosign-artifacts.ts';
import { craftSignature, exampleBinding, exampleSubject, signWithNotation } from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const key = signingKey('EC_P256');
const dayMs = 24 * 60 * 60 * 1000;
const notBefore = new Date('2026-01-01T00:00:00Z');
const notAfter = new Date('2026-12-31T00:00:00Z');
const now = new Date('2026-06-01T00:00:00Z');

let version: TrustedVersion;
let newer: TrustedVersion;
beforeAll(async () => {
  version = await trustedVersion(key, { notBefore, notAfter, keyVersionId: 'v1' });
  newer = await trustedVersion(signingKey('EC_P256', 'newer'), {
    notBefore,
    notAfter: new Date('2027-12-31T00:00:00Z'),
  });
});

const demand = (changes: Partial<SignatureDemand> = {}): SignatureDemand => ({
  subject: exampleSubject,
  binding: exampleBinding,
  trust: { keyName: 'release', versions: [version] },
  now,
  outliveMs: 30 * dayMs,
  ...changes,
});

const judge = async (
  changes: Partial<SignatureDemand> = {},
  signed: { subject?: Descriptor; binding?: Binding } = {},
) =>
  verifySignature({ ...demand(changes), signature: notationJws.parse(await signWithNotation(key, version, signed)) });

describe('verifySignature accepts', () => {
  it.each(['RSA_2048', 'EC_P256'] as const)(
    'what the current %s version signed, and says which one it was',
    async (spec) => {
      const trusted = await trustedVersion(signingKey(spec), { notBefore, notAfter });
      const signature = notationJws.parse(await signWithNotation(signingKey(spec), trusted));
      const trust = { keyName: 'release', versions: [newer, trusted] as const };
      expect(verifySignature({ ...demand({ trust }), signature })).toEqual({ valid: true, version: trusted });
    },
  );

  it('a signature of mode minimal where that is demanded', async () => {
    const binding = { mode: 'minimal' } as const;
    expect(await judge({ binding }, { binding })).toMatchObject({ valid: true });
  });

  it('a chain with an authority', async () => {
    const root = issueWithOpenssl({
      name: 'root',
      privateKeyPem: signingKey('EC_P256', 'root').privateKeyPem,
      extensions: authorityExtensions,
    });
    const leaf = issueWithOpenssl({
      name: 'leaf',
      privateKeyPem: key.privateKeyPem,
      issuer: root,
      extensions: leafExtensions,
    });
    const trusted = await trustedVersion(key, { certificatePem: leaf.pem + root.pem });
    const trust = { keyName: 'release', versions: [trusted] as const };
    const signature = notationJws.parse(await signWithNotation(key, trusted));
    expect(verifySignature({ ...demand({ trust, now: new Date() }), signature })).toMatchObject({ valid: true });
    const longer = notationJws.parse(craftSignature(key, [...trusted.chain, ...version.chain]));
    expect(verifySignature({ ...demand({ trust, now: new Date() }), signature: longer })).toMatchObject({
      reason: 'untrusted',
    });
    const withoutRoot = notationJws.parse(craftSignature(key, trusted.chain.slice(0, 1)));
    expect(verifySignature({ ...demand({ trust, now: new Date() }), signature: withoutRoot })).toMatchObject({
      reason: 'untrusted',
    });
  });
});

describe('verifySignature refuses', () => {
  it.each<[string, Partial<Descriptor>]>([
    ['another digest', { digest: digestOf(new Uint8Array()) }],
    ['another media type', { mediaType: mediaTypes.dockerManifest }],
    ['another size', { size: 18 }],
  ])('a signature for %s', async (_name, change) => {
    expect(await judge({ subject: { ...exampleSubject, ...change } })).toMatchObject({
      valid: false,
      reason: 'other-subject',
    });
  });

  it.each<[string, Binding, Binding]>([
    ['another tag', exampleBinding, { mode: 'default', repository: 'registry.test/prod/app', tag: 'v2' }],
    ['another repository', exampleBinding, { mode: 'default', repository: 'registry.test/prod/apq', tag: 'v1' }],
    ['no repository and tag where they are demanded', exampleBinding, { mode: 'minimal' }],
    ['repository and tag where the digest alone is demanded', { mode: 'minimal' }, exampleBinding],
  ])('a signature that binds %s', async (_name, binding, signed) => {
    expect(await judge({ binding }, { binding: signed })).toMatchObject({ valid: false, reason: 'other-binding' });
  });

  it('a signature with other user metadata, in both modes', () => {
    const artifact = craftSignature(key, version.chain, {
      payload: ({ targetArtifact }) => ({ targetArtifact: { ...targetArtifact, annotations: { build: '42' } } }),
    });
    for (const binding of [exampleBinding, { mode: 'minimal' } as const]) {
      const verdict = verifySignature({ ...demand({ binding }), signature: notationJws.parse(artifact) });
      expect(verdict).toMatchObject({
        valid: false,
        reason: 'other-binding',
        message: expect.stringContaining('something else'),
      });
    }
  });

  it('a certificate that is not in the trust, even for the same key', async () => {
    const trust = { keyName: 'release', versions: [await trustedVersion(key, { notBefore, notAfter })] as const };
    expect(await judge({ trust })).toMatchObject({ valid: false, reason: 'untrusted' });
  });

  it('a trusted certificate over a signature by another key', () => {
    const forged = craftSignature(signingKey('EC_P256', 'forger'), version.chain);
    const verdict = verifySignature({ ...demand(), signature: notationJws.parse(forged) });
    expect(verdict).toMatchObject({ valid: false, reason: 'bad-signature' });
  });

  it('a certificate that is over or not begun', async () => {
    expect(await judge({ now: notAfter })).toMatchObject({ valid: true });
    expect(await judge({ now: new Date(notAfter.getTime() + 1) })).toMatchObject({ valid: false, reason: 'expired' });
    expect(await judge({ now: notBefore })).toMatchObject({ valid: true });
    expect(await judge({ now: new Date(notBefore.getTime() - 1) })).toMatchObject({
      valid: false,
      reason: 'not-yet-valid',
    });
  });
});

describe('renewal', () => {
  it('leaves a signature by the current certificate alone until that certificate ends', async () => {
    expect(await judge({ now: new Date(notAfter.getTime() - 1) })).toMatchObject({ valid: true });
  });

  it('is due for a signature by an earlier certificate that ends within the time, not before', async () => {
    const trust = { keyName: 'release', versions: [newer, version] as const };
    const dueAt = new Date(notAfter.getTime() - 30 * dayMs);
    expect(await judge({ trust, now: dueAt })).toMatchObject({ valid: true });
    expect(await judge({ trust, now: new Date(dueAt.getTime() + 1) })).toMatchObject({
      valid: false,
      reason: 'ends-soon',
    });
  });

  it('is due for a signature whose own expiry is near, and past it the signature is over', () => {
    const artifact = craftSignature(key, version.chain, {
      protectedHeader: (header) => ({
        ...header,
        crit: ['io.cncf.notary.signingScheme', 'io.cncf.notary.expiry'],
        'io.cncf.notary.signingTime': '2026-05-01T00:00:00Z',
        'io.cncf.notary.expiry': '2026-07-01T00:00:00Z',
      }),
    });
    const at = (time: string) =>
      verifySignature({ ...demand({ now: new Date(time) }), signature: notationJws.parse(artifact) });
    expect(at('2026-06-01T00:00:00Z')).toMatchObject({ valid: true });
    expect(at('2026-06-01T00:00:01Z')).toMatchObject({ valid: false, reason: 'ends-soon' });
    expect(at('2026-07-01T00:00:00Z')).toMatchObject({ valid: false, reason: 'expired' });
  });
});

describe('readTrustedVersion', () => {
  it('keeps an earlier version whose certificate is over', async () => {
    const over = await trustedVersion(key, {
      notBefore: new Date('2020-01-01T00:00:00Z'),
      notAfter: new Date('2021-01-01T00:00:00Z'),
    });
    expect(over.notAfter).toEqual(new Date('2021-01-01T00:00:00Z'));
    expect(over.publicKeySha256).toBe(key.publicKeySha256);
  });

  it('refuses what is no public key, and a certificate for another one', async () => {
    const options = { spec: 'EC_P256', keyVersionId: undefined, chainPem: '' } as const;
    expect(() => readTrustedVersion({ ...options, publicKeyPem: 'x' })).toThrow(
      expect.objectContaining({ code: 'key-unusable' }),
    );
    expect(() => readTrustedVersion({ ...options, publicKeyPem: key.publicKeyPem })).toThrow(
      expect.objectContaining({ code: 'certificate-invalid' }),
    );
  });
});

describe('verifySignature, of a cosign signature', () => {
  const rsa = signingKey('RSA_2048');
  const other = signingKey('EC_P256', 'other');
  const judgeCosign = async (
    changes: Partial<SignatureDemand> = {},
    { by = key, ...signed }: { by?: typeof key; subject?: Descriptor; binding?: Binding } = {},
  ) => {
    const signature = cosign.parse(await signWithCosign(by, signed));
    return verifySignature({ ...demand({ trust: trustInKeys(key), ...changes }), signature });
  };

  it.each([key, rsa, signingKey('RSA_3072')])('accepts what the key of spec $spec signed, at any time', async (by) => {
    for (const at of [new Date(0), now, new Date('2126-01-01')]) {
      expect(await judgeCosign({ trust: trustInKeys(by), now: at }, { by })).toMatchObject({ valid: true });
    }
  });

  it('accepts for good what an earlier key under trusted signed, and says which one it was', async () => {
    const trust = trustInKeys(rsa, other, key);
    expect(await judgeCosign({ trust })).toEqual({ valid: true, version: trust.versions[2] });
  });

  const minimal = { mode: 'minimal', repository: 'registry.test/prod/app' } as const;
  it.each<[string, Binding, Binding, boolean]>([
    ['mode minimal of the same repository', minimal, minimal, true],
    ['mode minimal of another repository', { ...minimal, repository: 'registry.test/prod/other' }, minimal, false],
    ['mode default where minimal is demanded', exampleBinding, minimal, false],
    ['mode minimal where default is demanded', minimal, exampleBinding, false],
    ['mode default of another tag', { ...minimal, mode: 'default', tag: 'v2' }, exampleBinding, false],
  ])('%s', async (_name, signed, binding, valid) => {
    const verdict = await judgeCosign({ binding }, { binding: signed });
    expect(verdict).toMatchObject(valid ? { valid } : { valid, reason: 'other-binding' });
  });

  it('refuses one by a key that is not trusted, though the payload is ours', async () => {
    expect(await judgeCosign({}, { by: other })).toMatchObject({ valid: false, reason: 'untrusted' });
  });

  it('refuses one for another digest', async () => {
    const subject = { ...exampleSubject, digest: digestOf(Buffer.from('other')) };
    expect(await judgeCosign({}, { subject })).toMatchObject({
      reason: 'other-subject',
      message: `it is for ${subject.digest}`,
    });
  });

  it('is never found for a Notary Project signature by a key without certificate', async () => {
    const signature = notationJws.parse(await signWithNotation(key, version));
    expect(verifySignature({ ...demand({ trust: trustInKeys(key) }), signature })).toMatchObject({
      reason: 'untrusted',
    });
  });
});
