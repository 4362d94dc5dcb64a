import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { pushBlob, putManifest } from '../../infra/images/registry-upload.ts';
import { type RunningRegistry, startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { uniqueRepository } from '../support/names.ts';
import { type NotationVerifier, startNotationVerifier } from '../support/notation-verifier.ts';
import { startTestStack, type TestStack } from './stack-for-test.ts';
import { waitUntil } from './wait-until.ts';

const verifierPath = inject('verifierPath');
/** Of this test alone: the workers look for unsigned images everywhere. */
let host: string;
const tags = Array.from({ length: 10 }, (_, index) => `v${index}`);

// Ten parallel runs of the notation command line against this registry leave one signature listed.
describe.skipIf(verifierPath === undefined)('two workers on a registry without the referrers API', () => {
  let registry: RunningRegistry;
  let stack: TestStack;
  let verifier: NotationVerifier;
  beforeAll(async () => {
    registry = await startDockerRegistry();
    host = registry.host;
    stack = await startTestStack({ keySpec: 'EC_P256', registryHost: host });
    await stack.startWorker('second');
    verifier = await startNotationVerifier(verifierPath ?? '');
  });
  afterAll(async () => {
    await verifier?.stop();
    await stack?.stop();
    await registry?.stop();
  });

  test('ten tags of one digest at once, in mode default, end with ten listed and accepted signatures', async () => {
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'base-rc1', kind: 'oci-manifest' });
    for (const tag of tags) await putManifest({ host, repository }, tag, image.mediaType, image.manifest);

    await Promise.all(tags.map((tag) => stack.post({ repository, tag, digest: image.digest })));

    const verify = (tag: string) =>
      verifier.verify({
        reference: `${host}/${repository}@${image.digest}`,
        certificates: [stack.certificateFile],
        userMetadata: { 'autosign.repository': `${host}/${repository}`, 'autosign.tag': tag },
      });
    for (const tag of tags)
      await waitUntil(
        () => verify(tag),
        ({ ok }) => ok,
      );
    expect(await Promise.all(tags.map(verify))).toEqual(
      tags.map(() => expect.objectContaining({ ok: true, signatures: 10 })),
    );
    expect((await verify('base-rc1')).ok).toBe(false);
  });

  test('nothing signs a signature, a fallback tag, a .sig tag or an attestation, whatever event names it', async () => {
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-index' });
    await stack.post({ repository, tag: 'v1', digest: image.digest });
    const fallbackTag = image.digest.replace(':', '-');
    const index = await waitUntil(
      () => manifestOf(repository, fallbackTag),
      (text) => text !== undefined,
    );
    const [signature] = JSON.parse(index ?? '').manifests;
    const signatureManifest = (await manifestOf(repository, signature.digest)) ?? '';
    const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
    // What each kind of artifact looks like, under tags that a rule covers.
    await putManifest({ host, repository }, 'signature', ociManifest, Buffer.from(signatureManifest));
    await putManifest(
      { host, repository },
      'fallback',
      'application/vnd.oci.image.index.v1+json',
      Buffer.from(index ?? ''),
    );
    await putManifest(
      { host, repository },
      `${fallbackTag}.sig`,
      ociManifest,
      await layerManifest(repository, 'application/vnd.dev.cosign.simplesigning.v1+json'),
    );
    await putManifest(
      { host, repository },
      'sig',
      ociManifest,
      await layerManifest(repository, 'application/vnd.dev.cosign.simplesigning.v1+json'),
    );
    await putManifest(
      { host, repository },
      'attestation',
      ociManifest,
      await layerManifest(repository, 'application/vnd.in-toto+json'),
    );

    for (const tag of [fallbackTag, `${fallbackTag}.sig`]) {
      expect(await stack.post({ repository, tag })).toMatchObject({ status: 202, body: { queued: false } });
    }
    const queued = ['signature', 'fallback', 'sig', 'attestation'];
    for (const tag of queued)
      expect(await stack.post({ repository, tag })).toMatchObject({ status: 202, body: { queued: true } });

    const outcomes = () => workerLines(stack, repository).filter((line) => queued.includes(line.tag));
    await waitUntil(
      async () => outcomes().length,
      (count) => count === queued.length,
    );
    expect(outcomes().map(({ outcome }) => outcome.status)).toEqual(queued.map(() => 'not-an-image'));
    expect(JSON.parse((await manifestOf(repository, fallbackTag)) ?? '').manifests).toHaveLength(1);
  });

  async function manifestOf(repository: string, reference: string): Promise<string | undefined> {
    const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
    const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, { headers: { accept } });
    return answer.ok ? answer.text() : undefined;
  }
});

/** A manifest that pretends to be an image by its config; its one layer tells what it is. */
async function layerManifest(repository: string, mediaType: string): Promise<Uint8Array> {
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
  );
  const layer = Buffer.from(JSON.stringify({ mediaType }));
  const [configDigest, layerDigest] = [
    await pushBlob({ host, repository }, config),
    await pushBlob({ host, repository }, layer),
  ];
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: configDigest, size: config.length },
      layers: [{ mediaType, digest: layerDigest, size: layer.length }],
    }),
  );
}

interface JobLine {
  readonly tag: string;
  readonly outcome: { readonly status: string };
}

function workerLines(stack: TestStack, repository: string): readonly JobLine[] {
  return stack
    .workers()
    .flatMap((worker) =>
      worker.stdout
        .filter((line) => line.includes(repository) && line.includes('"msg":"job done"'))
        .map((line) => JSON.parse(line)),
    );
}
