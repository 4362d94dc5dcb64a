import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { decodeArtifact, encodeArtifact } from '../../../src/signing/artifact-record.ts';
import { signWithCosign } from '../../support/cosign-artifacts.ts';
import { signWithNotation } from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const key = signingKey('EC_P256');
const artifact = await signWithNotation(key, await trustedVersion(key));
const record = JSON.parse(Buffer.from(encodeArtifact(artifact)).toString());

function encoded(changes: object): Uint8Array {
  return Buffer.from(JSON.stringify({ ...record, ...changes }));
}

test('an artifact comes back as it was', () => {
  const back = decodeArtifact(encodeArtifact(artifact));
  expect(back.descriptor).toEqual(artifact.descriptor);
  expect(Buffer.from(back.manifest ?? [])).toEqual(Buffer.from(artifact.manifest));
  expect(back.blobs.map(({ digest }) => digest)).toEqual(artifact.blobs.map(({ digest }) => digest));
});

test('digest, type and annotations come from the bytes, whatever else the record says', () => {
  const manifest = Buffer.from(JSON.stringify({ artifactType: 'x/y', annotations: { a: 'b' } })).toString('base64');
  const { descriptor } = decodeArtifact(encoded({ manifest, digest: 'sha256:0', annotations: { forged: 'yes' } }));
  expect(descriptor).toMatchObject({
    artifactType: 'x/y',
    annotations: { a: 'b' },
    size: Buffer.from(manifest, 'base64').length,
  });
  expect(descriptor.digest).not.toBe(artifact.descriptor.digest);
});

test.each([
  ['no JSON', Buffer.from('garbage')],
  ['another version', encoded({ version: 2 })],
  ['a manifest that is no base64', encoded({ manifest: '%%%' })],
  ['a manifest that is no JSON', encoded({ manifest: Buffer.from('garbage').toString('base64') })],
  ['no blobs', encoded({ blobs: undefined })],
  ['too many blobs', encoded({ blobs: Array(11).fill(record.blobs[0]) })],
])('refuses a record with %s', (_name, bytes) => {
  expect(() => decodeArtifact(bytes)).toThrow(expect.objectContaining({ code: 'intent-conflict' }));
});

describe('the layer of cosign', async () => {
  const layer = await signWithCosign(key);
  const record = JSON.parse(Buffer.from(encodeArtifact(layer)).toString());
  const changed = (changes: object) => Buffer.from(JSON.stringify({ ...record, ...changes }));

  test('comes back as it was', () => {
    const back = decodeArtifact(encodeArtifact(layer));
    expect(back.descriptor).toEqual(layer.descriptor);
    expect(back.manifest).toBeUndefined();
    expect(back.blobs.map(({ bytes }) => Buffer.from(bytes))).toEqual(
      layer.blobs.map(({ bytes }) => Buffer.from(bytes)),
    );
  });

  test('has the digest and size of its bytes, whatever else the record says', () => {
    const bytes = Buffer.from('other');
    const back = decodeArtifact(changed({ layer: bytes.toString('base64'), digest: 'sha256:0', size: 1 }));
    expect(back.descriptor).toMatchObject({ digest: digestOf(bytes), size: 5 });
  });

  test.each([
    ['without annotations', changed({ annotations: undefined })],
    ['with annotations that are no text', changed({ annotations: { a: 1 } })],
    ['that is no base64', changed({ layer: '%%%' })],
    ['of another version', changed({ version: 2 })],
  ])('is refused %s', (_name, bytes) => {
    expect(() => decodeArtifact(bytes)).toThrow(expect.objectContaining({ code: 'intent-conflict' }));
  });
});
