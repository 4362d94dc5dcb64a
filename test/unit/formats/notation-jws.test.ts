import { constants, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { digestOf, sha256Hex } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { version as productVersion } from '../../../src/domain/version.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import type { Binding, FormatRequest } from '../../../src/formats/signature-format.ts';
import type { TrustedVersion } from '../../../src/verification/trust.ts';
import { exampleBinding, exampleSubject, signWithNotation } from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const specs = ['RSA_2048', 'EC_P256'] as const;
const versions = new Map<string, TrustedVersion>();
beforeAll(async () => {
  for (const spec of specs) versions.set(spec, await trustedVersion(signingKey(spec)));
});

const versionOf = (spec: string): TrustedVersion => versions.get(spec) as TrustedVersion;
const json = (bytes: Uint8Array | undefined) => JSON.parse(Buffer.from(bytes ?? []).toString());
const decoded = (text: string) => json(Buffer.from(text, 'base64url'));
const signingTime = new Date('2026-11-22T04:37:12.987Z');
const minimal: Binding = { mode: 'minimal' };

describe.each(specs)('notationJws.prepare with %s', (spec) => {
  const key = signingKey(spec);
  const make = (binding: Binding = exampleBinding) => signWithNotation(key, versionOf(spec), { binding, signingTime });

  it('signs media type, digest and size of the image, and in mode default its repository and tag, and nothing else', async () => {
    const { mediaType, digest, size } = exampleSubject;
    const annotations = { 'autosign.repository': 'registry.test/prod/app', 'autosign.tag': 'v1' };
    const [, layer] = (await make()).blobs;
    expect(decoded(json(layer?.bytes).payload)).toEqual({ targetArtifact: { mediaType, digest, size, annotations } });
    const [, minimalLayer] = (await make(minimal)).blobs;
    expect(decoded(json(minimalLayer?.bytes).payload)).toEqual({ targetArtifact: { mediaType, digest, size } });
  });

  it('writes the protected header of the specification, its time without a fraction', async () => {
    const [, layer] = (await make()).blobs;
    expect(decoded(json(layer?.bytes).protected)).toEqual({
      alg: spec === 'EC_P256' ? 'ES256' : 'PS256',
      crit: ['io.cncf.notary.signingScheme'],
      cty: 'application/vnd.cncf.notary.payload.v1+json',
      'io.cncf.notary.signingScheme': 'notary.x509',
      'io.cncf.notary.signingTime': '2026-11-22T04:37:12Z',
    });
  });

  it('writes a flattened JWS that another JWS verifier accepts with the certificate it carries', async () => {
    const [, layer] = (await make()).blobs;
    const envelope = json(layer?.bytes);
    expect(Object.keys(envelope)).toEqual(['payload', 'protected', 'header', 'signature']);
    const [leaf] = envelope.header.x5c;
    const { publicKey } = new X509Certificate(Buffer.from(leaf, 'base64'));
    const signature = Buffer.from(envelope.signature, 'base64url');
    const options =
      spec === 'EC_P256'
        ? ({ key: publicKey, dsaEncoding: 'ieee-p1363' } as const)
        : { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(verify('sha256', Buffer.from(`${envelope.protected}.${envelope.payload}`), options, signature)).toBe(true);
    expect(envelope.header['io.cncf.notary.signingAgent']).toBe(`acr-autosign/${productVersion}`);
    for (const part of ['payload', 'protected', 'signature']) expect(envelope[part]).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it('wraps it in the modern manifest, whose descriptor shows what a referrers list shows', async () => {
    const { descriptor, manifest, blobs } = await make();
    const [config, layer] = blobs;
    const { mediaType, digest, size } = exampleSubject;
    const annotations = {
      'io.cncf.notary.x509chain.thumbprint#S256': JSON.stringify(versionOf(spec).chain.map(sha256Hex)),
      'org.opencontainers.image.created': '2026-11-22T04:37:12Z',
    };
    expect(json(manifest)).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.cncf.notary.signature',
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
        size: 2,
        data: 'e30=',
      },
      layers: [{ mediaType: 'application/jose+json', digest: layer?.digest, size: layer?.bytes.length }],
      subject: { mediaType, digest, size },
      annotations,
    });
    expect(descriptor).toEqual({
      mediaType: mediaTypes.ociManifest,
      digest: digestOf(manifest),
      size: manifest.length,
      artifactType: mediaTypes.notarySignature,
      annotations,
    });
    expect(Buffer.from(config?.bytes ?? []).toString()).toBe('{}');
    for (const blob of blobs) expect(blob.digest).toBe(digestOf(blob.bytes));
  });

  it('is read back as what was asked for', async () => {
    for (const binding of [exampleBinding, minimal]) {
      const parsed = notationJws.parse(await make(binding));
      const { mediaType, digest, size } = exampleSubject;
      expect(parsed).toMatchObject({ format: 'notation', algorithm: key.algorithm, binding, expiry: undefined });
      expect(parsed.subject).toEqual({ mediaType, digest, size });
      expect(parsed.signingTime).toEqual(new Date('2026-11-22T04:37:12Z'));
      expect(parsed.certificateChain).toEqual(versionOf(spec).chain);
      expect(parsed.isSignedBy(key.publicKey)).toBe(true);
      for (const other of [
        signingKey(spec, 'other'),
        signingKey('RSA_3072'),
        signingKey(spec === 'EC_P256' ? 'RSA_2048' : 'EC_P256'),
      ]) {
        expect(parsed.isSignedBy(createPublicKey(other.publicKeyPem))).toBe(false);
      }
    }
  });

  it('finishes one answer into the same bytes every time', async () => {
    const prepared = notationJws.prepare({
      subject: exampleSubject,
      binding: minimal,
      algorithm: key.algorithm,
      certificateChain: versionOf(spec).chain,
      signingTime,
    });
    const { signature } = await key.signer.sign(key.algorithm, prepared.signedBytes);
    expect(prepared.finish(signature)).toEqual(prepared.finish(signature));
  });

  it('refuses an answer that is no signature of this key', () => {
    const prepared = notationJws.prepare({
      subject: exampleSubject,
      binding: minimal,
      algorithm: key.algorithm,
      certificateChain: versionOf(spec).chain,
      signingTime,
    });
    for (const answer of [new Uint8Array(), new Uint8Array(64), new Uint8Array(255)]) {
      expect(() => prepared.finish(answer)).toThrow(expect.objectContaining({ code: 'signature-invalid' }));
    }
  });
});

describe('notationJws.prepare refuses', () => {
  const request = (changes: Partial<FormatRequest>): FormatRequest => ({
    subject: exampleSubject,
    binding: minimal,
    algorithm: 'ECDSA_SHA_256',
    certificateChain: versionOf('EC_P256').chain,
    signingTime,
    ...changes,
  });

  it.each([
    ['no certificate', () => ({ certificateChain: [] })],
    ['an algorithm that is not the certificate’s key’s', () => ({ algorithm: 'RSA_PSS_SHA_256' as const })],
    [
      'PKCS1, which the specification does not know',
      () => ({ algorithm: 'RSA_PKCS1_SHA_256' as const, certificateChain: versionOf('RSA_2048').chain }),
    ],
  ])('%s', (_name, changes) => {
    expect(() => notationJws.prepare(request(changes()))).toThrow(
      expect.objectContaining({ code: 'certificate-invalid' }),
    );
  });
});

describe('notationJws.mayBeOurs', () => {
  const leaves = () => [
    versionOf('EC_P256').chain[0] ?? new Uint8Array(),
    versionOf('RSA_2048').chain[0] ?? new Uint8Array(),
  ];
  const thumbprint = () => sha256Hex(versionOf('EC_P256').chain[0] ?? new Uint8Array());
  const listed = (artifactType: string | undefined, thumbprints?: string) => ({
    mediaType: mediaTypes.ociManifest,
    digest: exampleSubject.digest,
    size: 1,
    artifactType,
    ...(thumbprints === undefined ? {} : { annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': thumbprints } }),
  });

  const mayBeOurs = (descriptor: Descriptor, leafCertificates: readonly Uint8Array[]) =>
    notationJws.mayBeOurs(descriptor, { subject: exampleSubject, binding: exampleBinding, leafCertificates });

  it('says yes to its own artifacts as they are listed', async () => {
    const { descriptor } = await signWithNotation(signingKey('EC_P256'), versionOf('EC_P256'));
    expect(mayBeOurs(descriptor, leaves())).toBe(true);
    expect(mayBeOurs(descriptor, leaves().slice(1))).toBe(false);
    expect(mayBeOurs(descriptor, [])).toBe(false);
  });

  it.each([
    ['a signature without thumbprints', () => listed(mediaTypes.notarySignature), true],
    ['a referrer of which the registry shows no type', () => listed(undefined), true],
    ['a referrer shown by the type of its empty config', () => listed(mediaTypes.ociEmpty), true],
    ['upper-case thumbprints', () => listed(mediaTypes.notarySignature, `["${thumbprint().toUpperCase()}"]`), true],
    ['our leaf with an intermediate', () => listed(mediaTypes.notarySignature, `["${thumbprint()}","00"]`), true],
    ['somebody else’s leaf', () => listed(mediaTypes.notarySignature, `["00"]`), false],
    ['our certificate in another place than the leaf’s', () => listed(undefined, `["00","${thumbprint()}"]`), false],
    ['an empty list of thumbprints', () => listed(mediaTypes.notarySignature, '[]'), false],
    ['thumbprints that are no list', () => listed(mediaTypes.notarySignature, thumbprint()), false],
    ['a bill of materials', () => listed('application/spdx+json'), false],
    ['an index', () => ({ ...listed(mediaTypes.notarySignature), mediaType: mediaTypes.ociIndex }), false],
  ])('%s', (_name, descriptor, expected) => {
    expect(mayBeOurs(descriptor(), leaves())).toBe(expected);
  });
});
