import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type ImageKind, type PushedImage, pushImage } from '../../infra/images/push-image.ts';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { digestOf } from '../../src/domain/digest.ts';
import type { ManifestArtifact } from '../../src/ports/signature-store.ts';
import { signImage } from '../../src/signing/sign-image.ts';
import { uniqueRepository } from '../support/names.ts';
import { type NotationVerifier, startNotationVerifier } from '../support/notation-verifier.ts';
import { createSigningFixture, type SigningFixture } from '../support/signing-fixture.ts';
import { type Tampering, tamperedArtifact } from './tampered-artifact.ts';

const verifierPath = inject('verifierPath');
const fallbackHost = inject('fallbackHost');
const referrersHost = inject('referrersHost') ?? '';
const registries = [
  { registry: 'docker-registry, fallback tag', host: fallbackHost },
  { registry: 'go-containerregistry, referrers API', host: referrersHost },
];
const specs = ['RSA_2048', 'EC_P256'] as const;
const modes = ['default', 'minimal'] as const;
const kinds: readonly ImageKind[] = ['oci-manifest', 'oci-index', 'docker-manifest'];
const tag = 'v1';

/** notation-go at trust level strict is the judge: what it accepts is a signature. */
describe.skipIf(verifierPath === undefined)('notation-go, strict', () => {
  let verifier: NotationVerifier;
  let directory: string;
  beforeAll(async () => {
    verifier = await startNotationVerifier(verifierPath ?? '');
    directory = await mkdtemp(join(tmpdir(), 'autosign-interop-'));
  });
  afterAll(async () => {
    await verifier.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const combinations = registries.flatMap((registry) =>
    specs.flatMap((spec) => modes.map((mode) => ({ ...registry, spec, mode }))),
  );

  describe.each(combinations)('$registry, $spec, mode $mode', ({ host, spec, mode }) => {
    let fixture: SigningFixture;
    let certificate: string;
    beforeAll(async () => {
      fixture = await createSigningFixture({ redisUrl: inject('redisUrl'), host, spec, mode });
      certificate = join(directory, `${host.replace(':', '-')}-${spec}-${mode}.pem`);
      await writeFile(certificate, fixture.chainPem);
    });
    afterAll(() => fixture.close());

    async function signed(kind: ImageKind) {
      const repository = uniqueRepository();
      const image = await pushImage({ host, repository, tag, kind });
      await signImage({ registry: fixture.registry, repository, tag, cause: 'test' }, fixture.tools);
      return { repository, image };
    }

    function verify(repository: string, image: PushedImage) {
      const userMetadata =
        mode === 'minimal' ? {} : { 'autosign.repository': `registry.example.com/${repository}`, 'autosign.tag': tag };
      return verifier.verify({
        reference: `${host}/${repository}@${image.digest}`,
        certificates: [certificate],
        userMetadata,
      });
    }

    /** Another repository that holds the same image and, of its signature, only what `change` makes of it. */
    async function verifyChanged(change: (artifact: ManifestArtifact) => ManifestArtifact) {
      const { repository, image } = await signed('oci-manifest');
      const [descriptor] = await fixture.store.list(repository, image.digest);
      if (descriptor === undefined) throw new Error('no signature to change');
      const artifact = await fixture.store.read(repository, descriptor);
      const copy = uniqueRepository('copy');
      await pushImage({ host, repository: copy, tag, kind: 'oci-manifest', seed: `${repository}:${tag}` });
      const subject = { mediaType: image.mediaType, digest: image.digest, size: image.size };
      await fixture.store.push(copy, subject, change(withConfig(artifact)));
      const userMetadata =
        mode === 'minimal' ? {} : { 'autosign.repository': `registry.example.com/${repository}`, 'autosign.tag': tag };
      return verifier.verify({
        reference: `${host}/${copy}@${image.digest}`,
        certificates: [certificate],
        userMetadata,
      });
    }

    test.each(kinds)('accepts the signature of an image of kind %s', async (kind) => {
      const { repository, image } = await signed(kind);
      expect(await verify(repository, image)).toMatchObject({
        ok: true,
        signatures: 1,
        mediaType: image.mediaType,
        signatureMediaType: 'application/jose+json',
      });
    });

    test('accepts the signature unchanged in a copy of the image, so that a refusal below is due to the change', async () => {
      expect(await verifyChanged((artifact) => artifact)).toMatchObject({ ok: true });
    });

    const tamperings: readonly Tampering[] =
      mode === 'default' ? ['signature', "payload's digest", "metadata's tag"] : ['signature', "payload's digest"];
    test.each(tamperings)('rejects it after one byte of the %s is changed', async (tampering) => {
      const verdict = await verifyChanged((artifact) => tamperedArtifact(artifact, tampering));
      expect(verdict).toMatchObject({ ok: false, signatures: 1 });
    });

    test("rejects it after one byte of the layer's digest is changed", async () => {
      const { repository, image } = await signed('oci-manifest');
      const [descriptor] = await fixture.store.list(repository, image.digest);
      const { bytes } = await fixture.client.getManifest(repository, descriptor?.digest ?? '');
      const [layer] = JSON.parse(Buffer.from(bytes).toString()).layers;
      const changedDigest = `${layer.digest.slice(0, -1)}${layer.digest.endsWith('0') ? '1' : '0'}`;
      const changed = Buffer.from(Buffer.from(bytes).toString().replace(layer.digest, changedDigest));
      const copy = uniqueRepository('copy');
      await pushImage({ host, repository: copy, tag, kind: 'oci-manifest', seed: `${repository}:${tag}` });
      await listUnchecked(host, copy, image, changed);

      const verdict = await verifier.verify({
        reference: `${host}/${copy}@${image.digest}`,
        certificates: [certificate],
      });

      expect(verdict.ok).toBe(false);
    });

    test('rejects it for another image', async () => {
      const { repository } = await signed('oci-manifest');
      const other = await pushImage({ host, repository, tag: 'other', kind: 'oci-manifest' });
      expect(await verify(repository, other)).toMatchObject({ ok: false, signatures: 0 });
    });

    if (mode === 'default') {
      test('rejects it for another tag', async () => {
        const { repository, image } = await signed('oci-manifest');
        const userMetadata = { 'autosign.repository': `registry.example.com/${repository}`, 'autosign.tag': 'v2' };
        const verdict = await verifier.verify({
          reference: `${host}/${repository}@${image.digest}`,
          certificates: [certificate],
          userMetadata,
        });
        expect(verdict.ok).toBe(false);
      });
    }
  });
});

/** `read` leaves out the empty config, which a push needs. */
function withConfig(artifact: ManifestArtifact): ManifestArtifact {
  const bytes = Buffer.from('{}');
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(bytes), bytes };
  return artifact.blobs.some((blob) => blob.digest === config.digest)
    ? artifact
    : { ...artifact, blobs: [config, ...artifact.blobs] };
}

/** Lists a signature's manifest whose layer is not there; a registry that checks layers refuses it itself, and then nothing is listed. */
async function listUnchecked(
  host: string,
  repository: string,
  subject: PushedImage,
  manifest: Uint8Array,
): Promise<void> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const url = `http://${host}/v2/${repository}/manifests/${digestOf(manifest)}`;
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: Buffer.from(manifest),
  });
  if (!answer.ok || answer.headers.has('oci-subject')) return;
  const entry = {
    mediaType,
    digest: digestOf(manifest),
    size: manifest.length,
    artifactType: 'application/vnd.cncf.notary.signature',
  };
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [entry] };
  await putManifest(
    { host, repository },
    subject.digest.replace(':', '-'),
    index.mediaType,
    Buffer.from(JSON.stringify(index)),
  );
}
