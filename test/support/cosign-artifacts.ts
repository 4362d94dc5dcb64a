import type { SigningAlgorithm } from '../../src/domain/algorithm.ts';
import type { Descriptor } from '../../src/domain/descriptor.ts';
import { cosign } from '../../src/formats/cosign.ts';
import type { Binding } from '../../src/formats/signature-format.ts';
import type { LayerArtifact } from '../../src/ports/signature-store.ts';
import { type KeyTrust, readTrustedKey } from '../../src/verification/trust.ts';
import { exampleBinding, exampleSubject } from './notation-artifacts.ts';
import type { SigningKey } from './signing-keys.ts';

/** The one that cosign takes of this key. */
function cosignAlgorithmOf({ spec }: Pick<SigningKey, 'spec'>): SigningAlgorithm {
  return spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PKCS1_SHA_256';
}

/** A cosign signature as the service makes it. */
export async function signWithCosign(
  key: SigningKey,
  {
    subject = exampleSubject,
    binding = exampleBinding,
  }: { readonly subject?: Descriptor; readonly binding?: Binding } = {},
): Promise<LayerArtifact> {
  const algorithm = cosignAlgorithmOf(key);
  const prepared = cosign.prepare({ subject, binding, algorithm, certificateChain: [], signingTime: new Date() });
  const { signature } = await key.signer.sign(algorithm, prepared.signedBytes);
  return prepared.finish(signature);
}

/** Trust in the public keys alone, the first one's the current. */
export function trustInKeys(key: SigningKey, ...earlier: readonly SigningKey[]): KeyTrust {
  const versionOf = ({ publicKeyPem, spec }: SigningKey) =>
    readTrustedKey({ publicKeyPem, spec, keyVersionId: undefined });
  return { keyName: 'release', versions: [versionOf(key), ...earlier.map(versionOf)] };
}
