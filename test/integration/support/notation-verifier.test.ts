import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { pushBlob, putManifest } from '../../../infra/images/registry-upload.ts';
import { readCertificates } from '../../../src/certificates/read-certificates.ts';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import { uniqueRepository } from '../../support/names.ts';
import { type NotationVerifier, startNotationVerifier } from '../../support/notation-verifier.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';

const verifierPath = inject('verifierPath');

describe.skipIf(verifierPath === undefined)('the notation verifier', () => {
  let verifier: NotationVerifier;
  let directory: string;
  beforeAll(async () => {
    verifier = await startNotationVerifier(verifierPath ?? '');
    directory = await mkdtemp(join(tmpdir(), 'autosign-test-'));
  });
  afterAll(async () => {
    await verifier.stop();
    await rm(directory, { recursive: true });
  });

  test.for(['fallbackHost', 'referrersHost'] as const)('rejects an unsigned image of %s', async (name) => {
    const host = inject(name) ?? '';
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'docker-manifest-list' });
    const answer = await verifier.verify({ reference: `${host}/${repository}@${image.digest}`, certificates: [] });
    expect(answer).toMatchObject({ ok: false, signatures: 0, mediaType: image.mediaType });
    expect(answer.error).toContain('no signature is associated');
  });

  test('rejects an image that is not there, and a registry that does not answer', async () => {
    const missing = `${inject('fallbackHost')}/${uniqueRepository()}@sha256:${'0'.repeat(64)}`;
    const answers = await Promise.all(
      [missing, 'localhost:1/prod/app:v1'].map((reference) => verifier.verify({ reference, certificates: [] })),
    );
    expect(answers.map(({ ok }) => ok)).toEqual([false, false]);
    expect(answers[0]?.error).toContain('not found');
    expect(answers[1]?.error).toContain('connection refused');
  });

  test('rejects a certificate file that is missing and goes on', async () => {
    const host = inject('fallbackHost');
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
    const reference = `${host}/${repository}@${image.digest}`;
    const certificate = join(directory, 'missing.pem');
    const missing = await verifier.verify({ reference, certificates: [certificate] });
    expect(missing.error).toContain('no such file');
    await writeFile(certificate, 'no certificate');
    const unread = await verifier.verify({ reference, certificates: [certificate] });
    expect(unread).toMatchObject({ ok: false });
  });

  test('refuses a trust policy that notation refuses', async () => {
    const host = inject('fallbackHost');
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
    const reference = `${host}/${repository}@${image.digest}`;
    const trustedIdentities = ['x509.subject: CN=only-a-name'];
    const answer = await verifier.verify({ reference, certificates: [], trustedIdentities });
    expect(answer.error).toContain('x509.subject');
  });

  test('accepts a signature with its metadata, and rejects other metadata, another root, another image', async () => {
    const { host, repository, image, certificate } = await signedImage();
    const reference = `${host}/${repository}@${image.digest}`;
    const signedMetadata = { 'autosign.repository': `registry.test/${repository}`, 'autosign.tag': 'v1' };
    const ask = (more: object) => verifier.verify({ reference, certificates: [certificate], ...more });
    const jose = { signatureMediaType: mediaTypes.jws, mediaType: mediaTypes.ociIndex };
    expect(await ask({})).toMatchObject({ ok: true, signatures: 1, signedMetadata, ...jose });
    expect(await ask({ userMetadata: { 'autosign.tag': 'v1' } })).toMatchObject({ ok: true });
    expect(await ask({ userMetadata: { 'autosign.tag': 'v2' } })).toMatchObject({ ok: false, signatures: 1 });
    const stranger = join(directory, 'stranger.pem');
    await writeFile(
      stranger,
      await signingCertificate(signingKey('EC_P256', 'stranger'), { commonName: 'stranger.test' }),
    );
    expect(await ask({ certificates: [stranger] })).toMatchObject({ ok: false, signatures: 1 });
    const other = await pushImage({ host, repository, tag: 'v2', kind: 'oci-manifest' });
    expect(await ask({ reference: `${host}/${repository}@${other.digest}` })).toMatchObject({
      ok: false,
      signatures: 0,
    });
  });

  async function signedImage() {
    const host = inject('referrersHost') ?? '';
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-index' });
    const key = signingKey('EC_P256');
    const pem = await signingCertificate(key);
    const certificate = join(directory, `${repository.replace('/', '-')}.pem`);
    await writeFile(certificate, pem);
    const prepared = notationJws.prepare({
      subject: image as Pick<typeof image, 'digest' | 'mediaType' | 'size'> satisfies Descriptor,
      binding: { mode: 'default', repository: `registry.test/${repository}`, tag: 'v1' },
      algorithm: key.algorithm,
      certificateChain: readCertificates(pem).map(({ raw }) => raw),
      signingTime: new Date(),
    });
    const { signature } = await key.signer.sign(key.algorithm, prepared.signedBytes);
    const artifact = prepared.finish(signature);
    await Promise.all(artifact.blobs.map(({ bytes }) => pushBlob({ host, repository }, bytes)));
    await putManifest(
      { host, repository },
      artifact.descriptor.digest,
      artifact.descriptor.mediaType,
      artifact.manifest,
    );
    return { host, repository, image, certificate };
  }
});
