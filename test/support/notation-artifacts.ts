import { constants, sign } from 'node:crypto';
import type { Descriptor } from '../../src/domain/descriptor.ts';
import { digestOf, sha256Hex } from '../../src/domain/digest.ts';
import { mediaTypes } from '../../src/domain/media-types.ts';
import { notationJws } from '../../src/formats/notation-jws.ts';
import type { Binding } from '../../src/formats/signature-format.ts';
import type { ManifestArtifact } from '../../src/ports/signature-store.ts';
import type { TrustedVersion } from '../../src/verification/trust.ts';
import type { SigningKey } from './signing-keys.ts';

export const exampleSubject: Descriptor = {
  mediaType: mediaTypes.ociManifest,
  digest: digestOf(new TextEncoder().encode('an image manifest')),
  size: 17,
};

export const exampleBinding: Binding = { mode: 'default', repository: 'registry.test/prod/app', tag: 'v1' };

export interface SignOptions {
  readonly subject?: Descriptor;
  readonly binding?: Binding;
  readonly signingTime?: Date;
}

/** A notation signature as the service makes it. */
export async function signWithNotation(
  key: SigningKey,
  version: TrustedVersion,
  { subject = exampleSubject, binding = exampleBinding, signingTime = new Date() }: SignOptions = {},
): Promise<ManifestArtifact> {
  const prepared = notationJws.prepare({
    subject,
    binding,
    algorithm: key.algorithm,
    certificateChain: version.chain,
    signingTime,
  });
  const { signature } = await key.signer.sign(key.algorithm, prepared.signedBytes);
  return prepared.finish(signature);
}

export type JsonObject = Record<string, unknown>;

/** What a crafted signature differs in; each function gets the regular part and answers the one to use. */
export interface Deviations {
  readonly payload?: (payload: { targetArtifact: JsonObject }) => unknown;
  readonly protectedHeader?: (header: JsonObject) => unknown;
  /** Signs itself; the default signs as the key's JWS algorithm says. */
  readonly sign?: (signedBytes: Uint8Array) => Uint8Array;
  readonly envelope?: (envelope: { header: JsonObject } & JsonObject) => unknown;
  readonly envelopeMediaType?: string;
  readonly manifest?: (
    manifest: { config: JsonObject; layers: JsonObject[]; subject: JsonObject } & JsonObject,
  ) => unknown;
}

/** Deviations of single values: in the protected header, the payload's targetArtifact, the envelope, the manifest. */
export const inHeader = (changes: JsonObject): Deviations => ({
  protectedHeader: (header) => ({ ...header, ...changes }),
});
export const inTarget = (changes: JsonObject): Deviations => ({
  payload: ({ targetArtifact }) => ({ targetArtifact: { ...targetArtifact, ...changes } }),
});
export const inEnvelope = (changes: JsonObject): Deviations => ({
  envelope: (envelope) => ({ ...envelope, ...changes }),
});
export const inManifest = (changes: JsonObject): Deviations => ({
  manifest: (manifest) => ({ ...manifest, ...changes }),
});

/** A notation signature built apart from the service, by the text of the specification, with deviations that are signed where they can be. */
export function craftSignature(
  key: SigningKey,
  chain: readonly Uint8Array[],
  deviations: Deviations = {},
): ManifestArtifact {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const { mediaType, digest, size } = exampleSubject;
  const payload = encode(
    (deviations.payload ?? same)({
      targetArtifact: {
        mediaType,
        digest,
        size,
        annotations: { 'autosign.repository': 'registry.test/prod/app', 'autosign.tag': 'v1' },
      },
    }),
  );
  const protectedHeader = encode(
    (deviations.protectedHeader ?? same)({
      alg: key.spec === 'EC_P256' ? 'ES256' : 'PS256',
      crit: ['io.cncf.notary.signingScheme'],
      cty: 'application/vnd.cncf.notary.payload.v1+json',
      'io.cncf.notary.signingScheme': 'notary.x509',
      'io.cncf.notary.signingTime': '2026-11-22T04:37:12Z',
    }),
  );
  const signedBytes = Buffer.from(`${protectedHeader}.${payload}`);
  const signature = (deviations.sign ?? ((bytes) => signAsJws(key, bytes)))(signedBytes);
  const envelope = (deviations.envelope ?? same)({
    payload,
    protected: protectedHeader,
    header: { x5c: chain.map((certificate) => Buffer.from(certificate).toString('base64')) },
    signature: Buffer.from(signature).toString('base64url'),
  });
  return craftArtifact(Buffer.from(JSON.stringify(envelope)), chain, deviations);
}

/** The manifest around an envelope. */
export function craftArtifact(
  envelope: Uint8Array,
  chain: readonly Uint8Array[],
  deviations: Pick<Deviations, 'manifest' | 'envelopeMediaType'> = {},
): ManifestArtifact {
  const { mediaType, digest, size } = exampleSubject;
  const layerType = deviations.envelopeMediaType ?? mediaTypes.jws;
  const layer = { mediaType: layerType, digest: digestOf(envelope), size: envelope.length };
  const regular = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: mediaTypes.notarySignature,
    config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(Buffer.from('{}')), size: 2, data: 'e30=' },
    layers: [layer],
    subject: { mediaType, digest, size },
    annotations: {
      'io.cncf.notary.x509chain.thumbprint#S256': JSON.stringify(chain.map((certificate) => sha256Hex(certificate))),
    },
  };
  const manifest = Buffer.from(JSON.stringify((deviations.manifest ?? same)(regular)));
  return {
    descriptor: { mediaType: mediaTypes.ociManifest, digest: digestOf(manifest), size: manifest.length },
    manifest,
    blobs: [{ mediaType: layerType, digest: layer.digest, bytes: envelope }],
  };
}

/** A JWS signature by node's own message signing (RFC 7518); `saltLength` for PSS. */
export function signAsJws(key: SigningKey, bytes: Uint8Array, saltLength = constants.RSA_PSS_SALTLEN_DIGEST): Buffer {
  return key.spec === 'EC_P256'
    ? sign('sha256', bytes, { key: key.privateKeyPem, dsaEncoding: 'ieee-p1363' })
    : sign('sha256', bytes, { key: key.privateKeyPem, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
}

function same<T>(value: T): T {
  return value;
}
