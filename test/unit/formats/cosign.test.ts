import { createHash, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { cosign } from '../../../src/formats/cosign.ts';
import type { Binding } from '../../../src/formats/signature-format.ts';
import type { LayerArtifact } from '../../../src/ports/signature-store.ts';
import { signWithCosign } from '../../support/cosign-artifacts.ts';
import { exampleSubject, signWithNotation } from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const digest = 'sha256:374cfff2f0c2e2c1fe409fc45e0c0f7761e75e39149b2448c116aeaba86508d7';
const subject: Descriptor = { mediaType: mediaTypes.dockerManifest, digest, size: 7 };
const repository = '127.0.0.1:5987/prod/app';
const minimal: Binding = { mode: 'minimal', repository };
const tagged: Binding = { mode: 'default', repository, tag: 'v1' };
const key = signingKey('EC_P256');
const signatureKey = 'dev.cosignproject.cosign/signature';

const prepare = (binding: Binding) =>
  cosign.prepare({ subject, binding, algorithm: 'ECDSA_SHA_256', certificateChain: [], signingTime: new Date() });

describe('the payload', () => {
  test('of mode minimal is to the byte what cosign 2.6.5 signed for this image', () => {
    const { signedBytes } = prepare(minimal);
    expect(Buffer.from(signedBytes).toString()).toBe(
      `{"critical":{"identity":{"docker-reference":"127.0.0.1:5987/prod/app"},"image":{"docker-manifest-digest":"${digest}"},"type":"cosign container image signature"},"optional":null}`,
    );
    expect(createHash('sha256').update(signedBytes).digest('hex')).toBe(
      'b29bb42803a01f964d3af566d19b21e84c89d230339b0958aa25c5ec520ab275',
    );
  });

  test('of mode default names the tag too, and nothing else differs', () => {
    const text = Buffer.from(prepare(tagged).signedBytes).toString();
    expect(text).toBe(Buffer.from(prepare(minimal).signedBytes).toString().replace('prod/app', 'prod/app:v1'));
  });

  test('without a repository is a defect of ours', () => {
    expect(() => prepare({ mode: 'minimal' })).toThrow('names the repository in every mode');
  });
});

describe.each(['RSA_2048', 'RSA_3072', 'EC_P256'] as const)('a signature by %s', (spec) => {
  test('stands in standard base64 beside the payload, and OpenSSL accepts it', async () => {
    const artifact = await signWithCosign(signingKey(spec), { subject, binding: tagged });
    const payload = prepare(tagged).signedBytes;
    const text = artifact.descriptor.annotations?.[signatureKey] ?? '';
    expect(artifact.descriptor).toEqual({
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      digest: digestOf(payload),
      size: payload.length,
      annotations: { [signatureKey]: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/) },
    });
    expect(artifact.blobs).toEqual([
      { mediaType: artifact.descriptor.mediaType, digest: digestOf(payload), bytes: payload },
    ]);
    // Node's defaults are what cosign takes: PKCS #1 v1.5, and DER.
    expect(verify('sha256', payload, signingKey(spec).publicKey, Buffer.from(text, 'base64'))).toBe(true);
  });

  test.each([minimal, tagged])('is read back: $mode', async (binding) => {
    const parsed = cosign.parse(await signWithCosign(signingKey(spec), { subject, binding }));
    expect(parsed).toMatchObject({
      format: 'cosign',
      subject: { digest },
      binding,
      certificateChain: [],
      expiry: undefined,
    });
    expect(parsed.isSignedBy(signingKey(spec).publicKey)).toBe(true);
    for (const other of [signingKey(spec, 'other'), signingKey('EC_P256', 'other'), signingKey('RSA_2048', 'other')]) {
      expect(parsed.isSignedBy(other.publicKey)).toBe(false);
    }
  });
});

test('a PSS signature by the same key is none', async () => {
  const prepared = prepare(minimal);
  const { signer, publicKey } = signingKey('RSA_2048');
  const { signature } = await signer.sign('RSA_PSS_SHA_256', prepared.signedBytes);
  expect(cosign.parse(prepared.finish(signature)).isSignedBy(publicKey)).toBe(false);
});

describe('mayBeOurs', () => {
  const own = prepare(tagged).finish(Buffer.from('any')).descriptor;
  const annotations = { [signatureKey]: 'YW55' };
  test.each<[string, Partial<Descriptor>, Binding, boolean]>([
    ['its own layer', {}, tagged, true],
    ['its own layer with a signature by any key', { annotations }, tagged, true],
    ['a layer for another tag', {}, { ...tagged, tag: 'v2' }, false],
    ['a layer of another mode', {}, minimal, false],
    ['a layer for another repository', {}, { ...tagged, repository: 'registry.test/prod/app' }, false],
    ['a layer of another type', { mediaType: 'application/json' }, tagged, false],
    ['a layer without a signature', { annotations: {} }, tagged, false],
    ['a keyless one', { annotations: { ...annotations, 'dev.sigstore.cosign/certificate': 'PEM' } }, tagged, false],
  ])('%s', (_name, change, binding, expected) => {
    expect(cosign.mayBeOurs({ ...own, ...change }, { subject, binding, leafCertificates: [] })).toBe(expected);
  });

  test('a layer for another image', () => {
    const sought = { subject: exampleSubject, binding: tagged, leafCertificates: [] };
    expect(cosign.mayBeOurs(own, sought)).toBe(false);
  });
});

/** What somebody might store or push: the payload changed, everything around it right again. */
async function withPayload(text: string): Promise<LayerArtifact> {
  const bytes = Buffer.from(text);
  const { descriptor } = await signWithCosign(key, { subject, binding: minimal });
  const changed = { ...descriptor, digest: digestOf(bytes), size: bytes.length };
  return { descriptor: changed, blobs: [{ mediaType: changed.mediaType, digest: changed.digest, bytes }] };
}

const payloadText = Buffer.from(prepare(minimal).signedBytes).toString();

describe('a payload that is cosign’s and says more or says it otherwise binds something else', () => {
  test.each([
    ['annotations', payloadText.replace('"optional":null', '"optional":{"build":"42"}')],
    ['a creator', payloadText.replace('"optional":null', '"optional":{"creator":"somebody"}')],
    ['blanks', payloadText.replaceAll(',', ', ')],
    ['no optional part', payloadText.replace(',"optional":null', '')],
    ['another order', payloadText.replace(/^\{(.*),("optional":null)\}$/, '{$2,$1}')],
    ['a reference without a host', payloadText.replace(repository, 'app')],
    ['no reference', payloadText.replace(repository, '')],
  ])('%s', async (_name, text) => {
    expect(text).not.toBe(payloadText);
    expect(cosign.parse(await withPayload(text))).toMatchObject({ subject: { digest }, binding: undefined });
  });
});

describe('refuses', () => {
  test.each([
    ['no JSON', 'garbage'],
    ['no object', '"text"'],
    ['another type', payloadText.replace('cosign container image signature', 'atomic container signature')],
    ['no digest', payloadText.replace(digest, 'latest')],
    ['a digest in capitals', payloadText.replace(digest, digest.toUpperCase())],
    ['no identity', payloadText.replace(/"identity":\{[^}]*\},/, '')],
    ['two types', payloadText.replace('"type":', '"Type":"x","type":')],
  ])('a payload with %s', async (_name, text) => {
    const artifact = await withPayload(text);
    expect(() => cosign.parse(artifact)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }));
  });

  test.each<[string, (descriptor: Descriptor) => Partial<Descriptor>]>([
    ['of another type, which Podman would not read', () => ({ mediaType: 'application/json' })],
    ['without a signature', () => ({ annotations: {} })],
    ['whose signature is base64url', () => ({ annotations: { [signatureKey]: 'MEUCIQ-_' } })],
    [
      'whose signature has a line break',
      ({ annotations }) => ({ annotations: { [signatureKey]: `${annotations?.[signatureKey]}\n` } }),
    ],
    ['of another digest than its payload', () => ({ digest: digestOf(Buffer.from('other')) })],
    ['of another size than its payload', ({ size }) => ({ size: size + 1 })],
  ])('a layer %s', async (_name, change) => {
    const artifact = await signWithCosign(key, { subject, binding: minimal });
    const descriptor = { ...artifact.descriptor, ...change(artifact.descriptor) };
    expect(() => cosign.parse({ ...artifact, descriptor })).toThrow(
      expect.objectContaining({ code: 'manifest-invalid' }),
    );
  });

  test('a Notary Project signature', async () => {
    const artifact = await signWithNotation(key, await trustedVersion(key));
    expect(() => cosign.parse(artifact)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }));
  });
});
