import { sign } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import type { ManifestArtifact } from '../../../src/ports/signature-store.ts';
import type { TrustedVersion } from '../../../src/verification/trust.ts';
import { derOf, issueWithOpenssl, leafExtensions } from '../../support/certificate-chains.ts';
import {
  craftArtifact,
  craftSignature,
  type Deviations,
  inEnvelope,
  inHeader,
  inManifest,
  inTarget,
} from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const p256 = signingKey('EC_P256');
const scheme = 'io.cncf.notary.signingScheme';
const time = 'io.cncf.notary.signingTime';
const expiry = 'io.cncf.notary.expiry';

let p256Version: TrustedVersion;
beforeAll(async () => {
  p256Version = await trustedVersion(p256);
});

const crafted = (deviations: Deviations) => craftSignature(p256, p256Version.chain, deviations);
const refused = (reason: string) =>
  expect.objectContaining({ code: 'manifest-invalid', message: expect.stringContaining(reason) });

describe('parse refuses', () => {
  const x5c = (change: (chain: string[]) => unknown): Deviations => ({
    envelope: ({ header: regular, ...rest }) => ({
      ...rest,
      header: { ...regular, x5c: change(regular['x5c'] as string[]) },
    }),
  });

  it.each<[string, Deviations, string]>([
    [
      'the general form',
      { envelope: ({ payload, ...signature }) => ({ payload, signatures: [signature] }) },
      'envelope',
    ],
    ['a further key in the envelope', inEnvelope({ more: 1 }), 'envelope'],
    ['an envelope that is no object', { envelope: () => [] }, 'envelope'],
    [
      'a padded signature',
      { envelope: (regular) => ({ ...regular, signature: `${regular['signature']}==` }) },
      'base64url',
    ],
    [
      'a signature in standard base64',
      inEnvelope({ signature: Buffer.alloc(64, 255).toString('base64') }),
      'base64url',
    ],
    [
      'a payload with a line break',
      { envelope: (regular) => ({ ...regular, payload: `${regular['payload']}\n` }) },
      'base64url',
    ],
    ['stray bits at the end of base64url', inEnvelope({ protected: 'e31' }), 'base64url'],
    ['a signature in DER', { sign: (bytes) => sign('sha256', bytes, p256.privateKeyPem) }, 'needs 64'],
    ['certificates in base64url', x5c(() => [Buffer.alloc(60, 255).toString('base64url')]), 'standard base64'],
    [
      'certificates only in the protected header',
      { ...inHeader({ x5c: [] }), envelope: ({ header: _, ...rest }) => ({ ...rest, header: {} }) },
      'x5c',
    ],
    ['no certificates', x5c(() => []), 'x5c'],
    ['eleven certificates', x5c(([leaf]) => Array(11).fill(leaf)), 'x5c'],
    ['a certificate that is none', x5c(() => ['AAAA']), 'malformed'],
    [
      'two spellings of one name',
      { envelope: ({ header: regular, ...rest }) => ({ ...rest, header: { ...regular, X5C: [] } }) },
      'differ only in case',
    ],
    ['a long s for an s', inManifest({ ſubject: {} }), 'differ only in case'],
    ['another content type', inHeader({ cty: 'text/plain' }), 'cty'],
    ['no content type', inHeader({ cty: undefined }), 'cty'],
    ['no crit', inHeader({ crit: undefined }), 'crit'],
    ['an empty crit', inHeader({ crit: [] }), '"crit"'],
    ['the signing time in crit', inHeader({ crit: [scheme, time] }), '"crit"'],
    ['an unknown critical header', inHeader({ crit: [scheme, 'example.com/must'], 'example.com/must': 1 }), '"crit"'],
    ['an expiry that is not critical', inHeader({ [expiry]: '2026-12-22T04:37:12Z' }), '"crit"'],
    ['a critical expiry that is absent', inHeader({ crit: [scheme, expiry] }), '"crit"'],
    ['a critical expiry of null', inHeader({ [expiry]: null, crit: [scheme, expiry] }), '"crit"'],
    ['a name twice in crit', inHeader({ [expiry]: '2026-12-22T04:37:12Z', crit: [scheme, scheme] }), '"crit"'],
    [
      'an expiry at the signing time',
      inHeader({ [expiry]: '2026-11-22T04:37:12Z', crit: [scheme, expiry] }),
      'expires before',
    ],
    ['a signing time as a number', inHeader({ [time]: 1_700_000_000 }), time],
    ['no signing time', inHeader({ [time]: undefined }), time],
    ['a signing time without an offset', inHeader({ [time]: '2026-11-22T04:37:12' }), time],
    ['a signing time without seconds', inHeader({ [time]: '2026-11-22T04:37Z' }), time],
    ['a signing time on a day that is none', inHeader({ [time]: '2026-02-30T04:37:12Z' }), time],
    [
      'the scheme of signing authorities',
      inHeader({ [scheme]: 'notary.x509.signingAuthority', crit: [scheme, 'io.cncf.notary.authenticSigningTime'] }),
      'notary.x509',
    ],
    ['no scheme', inHeader({ [scheme]: undefined }), scheme],
    [
      'a demand for a verification plugin',
      inHeader({ 'io.cncf.notary.verificationPlugin': 'x', crit: [scheme, 'io.cncf.notary.verificationPlugin'] }),
      'plugin',
    ],
    ['a verification plugin that is not critical', inHeader({ 'io.cncf.notary.verificationPlugin': 'x' }), 'plugin'],
    ['PS256 by an elliptic key', inHeader({ alg: 'PS256' }), 'demands ES256'],
    ['ES384', inHeader({ alg: 'ES384' }), 'demands ES256'],
    ['none', inHeader({ alg: 'none' }), 'demands ES256'],
    ['a payload without targetArtifact', { payload: () => ({}) }, 'targetArtifact'],
    ['a payload without size', inTarget({ size: undefined }), 'size'],
    ['a size with a fraction', inTarget({ size: 1.5 }), 'size'],
    ['a digest of another algorithm', inTarget({ digest: `sha512:${'0'.repeat(128)}` }), 'digest'],
    ['a digest in upper case', inTarget({ digest: `sha256:${'A'.repeat(64)}` }), 'digest'],
    ['no media type', inTarget({ mediaType: '' }), 'mediaType'],
    ['metadata that is no text', inTarget({ annotations: { build: 42 } }), 'annotations'],
    ['metadata that is a list', inTarget({ annotations: ['x'] }), 'annotations'],
    [
      'a manifest for another digest than the payload',
      inTarget({ digest: `sha256:${'0'.repeat(64)}` }),
      'another image',
    ],
    [
      'a manifest for another media type than the payload',
      inTarget({ mediaType: mediaTypes.dockerManifest }),
      'another image',
    ],
    ['COSE', { envelopeMediaType: mediaTypes.cose }, 'not a JWS'],
    ['another layer type', { envelopeMediaType: 'application/json' }, 'not a JWS'],
    [
      'two layers',
      { manifest: ({ layers, ...rest }) => ({ ...rest, layers: [...layers, ...layers] }) },
      'exactly one layer',
    ],
    ['no layers', inManifest({ layers: [] }), 'exactly one layer'],
    ['no subject', inManifest({ subject: undefined }), 'subject'],
    [
      'another artifactType',
      inManifest({ artifactType: 'application/spdx+json' }),
      'its type is application/spdx+json',
    ],
    ['no type at all', inManifest({ artifactType: undefined }), `its type is ${mediaTypes.ociEmpty}`],
    ['another media type of the manifest', inManifest({ mediaType: mediaTypes.dockerManifest }), 'mediaType'],
    ['another schema version', inManifest({ schemaVersion: 1 }), 'schemaVersion'],
    [
      'thumbprints of other certificates',
      inManifest({ annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': '["00"]' } }),
      'thumbprints',
    ],
    [
      'thumbprints that are no list',
      inManifest({ annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': 'x' } }),
      'thumbprints',
    ],
    ['annotations that are no text', inManifest({ annotations: { a: 1 } }), 'annotations'],
    [
      'a layer of another size',
      { manifest: ({ layers, ...rest }) => ({ ...rest, layers: layers.map((layer) => ({ ...layer, size: 1 })) }) },
      'another digest or size',
    ],
  ])('%s', (_name, deviations, reason) => {
    expect(() => notationJws.parse(crafted(deviations))).toThrow(refused(reason));
  });

  it.each([['PS256 by an RSA key of 3072 bits', () => signingKey('RSA_3072').privateKeyPem]])(
    '%s',
    (_name, privateKeyPem) => {
      const { pem } = issueWithOpenssl({ name: 'leaf', privateKeyPem: privateKeyPem(), extensions: leafExtensions });
      expect(() => notationJws.parse(craftSignature(signingKey('RSA_3072'), [derOf(pem)]))).toThrow(
        refused('neither RSA_2048 nor EC_P256'),
      );
    },
  );

  it.each([
    ['nothing', new Uint8Array()],
    ['text that is no JSON', Buffer.from('{')],
    ['JSON nested too deep', Buffer.from(`{"payload":${'['.repeat(40)}${']'.repeat(40)}}`)],
    ['JSON nested far too deep', Buffer.from('['.repeat(400_000) + ']'.repeat(400_000))],
    ['null', Buffer.from('null')],
  ])('an envelope of %s', (_name, bytes) => {
    expect(() => notationJws.parse(craftArtifact(bytes, p256Version.chain))).toThrow(refused(''));
  });

  it.each<[string, (envelope: Buffer) => Buffer, string]>([
    ['a byte order mark', (bytes) => Buffer.concat([Buffer.from('\ufeff'), bytes]), 'no JSON'],
    ['a byte that is not UTF-8', (bytes) => Buffer.from(bytes.map((byte) => (byte === 0x7e ? 0xff : byte))), 'no JSON'],
    [
      'white space up to more than a mebibyte',
      (bytes) => Buffer.concat([bytes, Buffer.alloc(1024 * 1024, ' ')]),
      'larger',
    ],
  ])('an envelope that is right but for %s', (_name, change, reason) => {
    const withAgent: Deviations = {
      envelope: ({ header, ...rest }) => ({ ...rest, header: { ...header, 'io.cncf.notary.signingAgent': '~' } }),
    };
    const bytes = Buffer.from(crafted(withAgent).blobs[0]?.bytes ?? []);
    expect(notationJws.parse(craftArtifact(bytes, p256Version.chain)).binding).toBeDefined();
    expect(() => notationJws.parse(craftArtifact(change(bytes), p256Version.chain))).toThrow(refused(reason));
  });

  it('a manifest above four mebibytes', () => {
    expect(() =>
      notationJws.parse(crafted(inManifest({ annotations: { filler: ' '.repeat(4 * 1024 * 1024) } }))),
    ).toThrow(refused('larger than'));
  });

  it('blobs that are missing, changed or not in the manifest', () => {
    const artifact = crafted({});
    const [layer] = artifact.blobs;
    const replaced = (changes: Partial<NonNullable<typeof layer>>[]): ManifestArtifact => ({
      ...artifact,
      blobs: changes.map((change) => ({
        mediaType: mediaTypes.jws,
        digest: digestOf(new Uint8Array()),
        bytes: new Uint8Array(),
        ...layer,
        ...change,
      })),
    });
    expect(() => notationJws.parse(replaced([]))).toThrow(refused('envelope is missing'));
    const sameLength = Buffer.from(layer?.bytes ?? []).fill('x', 0, 1);
    expect(() => notationJws.parse(replaced([{ bytes: sameLength }]))).toThrow(refused('another digest'));
    expect(() =>
      notationJws.parse(replaced([{}, { digest: digestOf(Buffer.from('x')), bytes: Buffer.from('x') }])),
    ).toThrow(refused('does not name'));
  });

  it('a manifest that is not the one its descriptor names', () => {
    const artifact = crafted({});
    const descriptor = { ...artifact.descriptor, digest: digestOf(new Uint8Array()) };
    expect(() => notationJws.parse({ ...artifact, descriptor })).toThrow(refused('not the one'));
    expect(() => notationJws.parse({ ...artifact, descriptor: { ...artifact.descriptor, size: 1 } })).toThrow(
      refused('not the one'),
    );
  });
});
