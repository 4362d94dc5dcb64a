import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { classifyManifest } from '../../../src/signing/classify-manifest.ts';

const digest = digestOf(new Uint8Array());
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 1 };
const config = { mediaType: mediaTypes.ociImageConfig, digest, size: 1 };
const image = { schemaVersion: 2, config, layers: [layer] };
const child = { mediaType: mediaTypes.ociManifest, digest, size: 1 };
const index = { schemaVersion: 2, manifests: [child] };

function classify(mediaType: string, body: unknown) {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return classifyManifest({ descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes });
}

describe('is an image', () => {
  test.each([
    ['an OCI manifest', mediaTypes.ociManifest, image],
    [
      'a Docker manifest',
      mediaTypes.dockerManifest,
      { ...image, config: { ...config, mediaType: mediaTypes.dockerImageConfig } },
    ],
    [
      'an OCI image with a Docker config',
      mediaTypes.ociManifest,
      { ...image, config: { ...config, mediaType: mediaTypes.dockerImageConfig } },
    ],
    ['an image without layers', mediaTypes.ociManifest, { ...image, layers: [] }],
    ['an OCI index', mediaTypes.ociIndex, index],
    ['a Docker manifest list', mediaTypes.dockerManifestList, index],
    [
      "an index with BuildKit's attestation beside its image",
      mediaTypes.ociIndex,
      {
        ...index,
        manifests: [child, { ...child, artifactType: 'application/vnd.docker.attestation.manifest.v1+json' }],
      },
    ],
  ])('%s', (_name, mediaType, body) => {
    expect(classify(mediaType, body)).toMatchObject({ image: true });
  });

  test('names the children of an index', () => {
    expect(classify(mediaTypes.ociIndex, index)).toEqual({ image: true, children: [digest] });
  });
});

describe('is not an image', () => {
  test.each([
    ['a signature with a subject', mediaTypes.ociManifest, { ...image, subject: child }, 'subject'],
    [
      'an artifact with a type',
      mediaTypes.ociManifest,
      { ...image, artifactType: mediaTypes.notarySignature },
      'artifact of type',
    ],
    [
      'a Helm chart',
      mediaTypes.ociManifest,
      { ...image, config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
      'helm',
    ],
    [
      'an artifact with an empty config',
      mediaTypes.ociManifest,
      { ...image, config: { ...config, mediaType: mediaTypes.ociEmpty } },
      'config',
    ],
    [
      'a cosign signature',
      mediaTypes.ociManifest,
      { ...image, layers: [{ ...layer, mediaType: mediaTypes.cosignSimpleSigning }] },
      'signature layer',
    ],
    [
      'a Sigstore bundle',
      mediaTypes.ociManifest,
      { ...image, layers: [{ ...layer, mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json' }] },
      'signature layer',
    ],
    [
      'a JWS beside a layer',
      mediaTypes.ociManifest,
      { ...image, layers: [layer, { ...layer, mediaType: mediaTypes.jws }] },
      'signature layer',
    ],
    [
      'a COSE envelope',
      mediaTypes.ociManifest,
      { ...image, layers: [{ ...layer, mediaType: mediaTypes.cose }] },
      'signature layer',
    ],
    [
      'an in-toto attestation',
      mediaTypes.ociManifest,
      { ...image, layers: [{ ...layer, mediaType: 'application/vnd.in-toto+json' }] },
      'signature layer',
    ],
    [
      'a DSSE attestation',
      mediaTypes.ociManifest,
      { ...image, layers: [{ ...layer, mediaType: 'application/vnd.dsse.envelope.v1+json' }] },
      'signature layer',
    ],
    [
      'a list of referrers',
      mediaTypes.ociIndex,
      { ...index, manifests: [{ ...child, artifactType: mediaTypes.notarySignature }] },
      'no image',
    ],
    ['an empty index', mediaTypes.ociIndex, { ...index, manifests: [] }, 'no image'],
    ['an index with a subject', mediaTypes.ociIndex, { ...index, subject: child }, 'subject'],
    ['an index of a type', mediaTypes.ociIndex, { ...index, artifactType: 'x/y' }, 'artifact of type'],
    [
      'an index of indexes',
      mediaTypes.ociIndex,
      { ...index, manifests: [{ ...child, mediaType: mediaTypes.ociIndex }] },
      'names a manifest of type',
    ],
    [
      'an index that is too long',
      mediaTypes.ociIndex,
      { ...index, manifests: Array(1001).fill(child) },
      'more than 1000',
    ],
    [
      'an index with a malformed digest',
      mediaTypes.ociIndex,
      { ...index, manifests: [{ ...child, digest: 'sha256:0' }] },
      'well-formed',
    ],
    ['a manifest without a config', mediaTypes.ociManifest, { layers: [] }, 'well-formed'],
    ['a manifest that is an index too', mediaTypes.ociManifest, { ...image, ...index }, 'well-formed'],
    ['an index that is a manifest too', mediaTypes.ociIndex, { ...image, ...index }, 'well-formed'],
    ['no JSON', mediaTypes.ociManifest, 'nothing', 'well-formed'],
    ['a Docker schema 1 manifest', 'application/vnd.docker.distribution.manifest.v1+prettyjws', image, 'media type'],
    ['an index that calls itself a manifest', mediaTypes.ociManifest, index, 'well-formed'],
  ])('%s', (_name, mediaType, body, reason) => {
    expect(classify(mediaType, body)).toEqual({ image: false, reason: expect.stringContaining(reason) });
  });

  test('whatever bytes a registry holds: it answers, and never calls arbitrary JSON an image', () => {
    fc.assert(
      fc.property(fc.constantFrom(mediaTypes.ociManifest, mediaTypes.ociIndex), fc.json(), (mediaType, body) => {
        expect(classify(mediaType, body).image).toBe(false);
      }),
    );
  });
});
