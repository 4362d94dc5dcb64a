import { describe, expect, inject, test } from 'vitest';
import { imageKinds, pushImage } from '../../../infra/images/push-image.ts';
import { putManifest } from '../../../infra/images/registry-upload.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { uniqueRepository } from '../../support/names.ts';

const referrersHost = inject('referrersHost');
const registries = [
  { name: 'the fallback registry', host: inject('fallbackHost') },
  { name: 'the referrers registry', host: referrersHost ?? '' },
];

for (const { name, host } of registries)
  describe.skipIf(host === '')(name, () => {
    test.for(imageKinds)('gives an %s back under its tag, byte by byte', async (kind) => {
      const repository = uniqueRepository();
      const image = await pushImage({ host, repository, tag: 'v1', kind });
      const response = await fetch(`http://${host}/v2/${repository}/manifests/v1`, {
        headers: { accept: image.mediaType },
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      expect(response.headers.get('content-type')).toBe(image.mediaType);
      expect(digestOf(bytes)).toBe(image.digest);
      expect(bytes.length).toBe(image.size);
      expect(image.children).toHaveLength(kind === 'oci-index' || kind === 'docker-manifest-list' ? 2 : 0);
    });

    test('gives images of one seed one digest, and of two seeds two', async () => {
      const repository = uniqueRepository();
      const push = (tag: string, seed: string) => pushImage({ host, repository, tag, kind: 'oci-manifest', seed });
      const [first, again, other] = await Promise.all([push('a', 'one'), push('b', 'one'), push('c', 'two')]);
      expect(again.digest).toBe(first.digest);
      expect(other.digest).not.toBe(first.digest);
    });

    test('says OCI-Subject only where it has the referrers API', async () => {
      const repository = uniqueRepository();
      const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
      const referrer = referrerOf(image);
      const response = await putManifest({ host, repository }, digestOf(referrer), mediaTypes.ociManifest, referrer);
      expect(response.headers.get('oci-subject')).toBe(host === referrersHost ? image.digest : null);
    });

    test('refuses an index whose images are not there', async () => {
      const manifests = [{ mediaType: mediaTypes.ociManifest, digest: `sha256:${'0'.repeat(64)}`, size: 2 }];
      const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
      const target = { host, repository: uniqueRepository() };
      await expect(putManifest(target, 'v1', mediaTypes.ociIndex, index)).rejects.toThrow(/answered 40[04]/);
    });
  });

test.skipIf(referrersHost === undefined)(
  'the referrers registry lists artifact type and annotations of a referrer',
  async () => {
    const host = referrersHost ?? '';
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-index' });
    const referrer = referrerOf(image);
    await putManifest({ host, repository }, digestOf(referrer), mediaTypes.ociManifest, referrer);
    const response = await fetch(`http://${host}/v2/${repository}/referrers/${image.digest}`);
    expect(response.headers.get('content-type')).toBe(mediaTypes.ociIndex);
    expect(await response.json()).toMatchObject({
      manifests: [
        { digest: digestOf(referrer), artifactType: 'application/vnd.example', annotations: { made: 'here' } },
      ],
    });
  },
);

// A manifest of the image's own blobs: both registries ask that they are there.
function referrerOf(image: { manifest: Uint8Array; mediaType: string; digest: string; size: number }): Uint8Array {
  const parsed = JSON.parse(Buffer.from(image.manifest).toString());
  const { mediaType, digest, size } = image;
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: 'application/vnd.example',
      config: parsed.config ?? { mediaType: mediaTypes.ociEmpty, digest: digestOf(Buffer.from('{}')), size: 2 },
      layers: parsed.layers ?? [],
      subject: { mediaType, digest, size },
      annotations: { made: 'here' },
    }),
  );
}
