import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { issueSelfSignedCertificate } from '../../src/certificates/issue-certificate.ts';
import type { KeySpec, SigningAlgorithm } from '../../src/domain/algorithm.ts';
import { publicKeySha256 } from '../../src/keys/key-spec.ts';
import { createLocalSigner, publicKeyOf } from '../../src/keys/local-key.ts';
import type { Signer } from '../../src/ports/signer.ts';
import { type KeyTrust, readTrustedVersion, type TrustedVersion } from '../../src/verification/trust.ts';

/** A real key with everything that tests ask of it. */
export interface SigningKey {
  readonly spec: KeySpec;
  /** The one that notation takes: PSS for RSA. */
  readonly algorithm: SigningAlgorithm;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
  readonly publicKey: KeyObject;
  readonly publicKeySha256: string;
  readonly signer: Signer;
}

const keysOfThisProcess = new Map<string, SigningKey>();

/** The key of this spec and name; made once a process, as RSA keys take long to make. */
export function signingKey(spec: KeySpec, name = 'release'): SigningKey {
  const cached = keysOfThisProcess.get(`${spec} ${name}`);
  if (cached !== undefined) return cached;
  const privateKeyPem = generatePrivateKey(spec);
  const publicKeyPem = publicKeyOf(privateKeyPem);
  const publicKey = createPublicKey(publicKeyPem);
  const key: SigningKey = {
    spec,
    algorithm: spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PSS_SHA_256',
    privateKeyPem,
    publicKeyPem,
    publicKey,
    publicKeySha256: publicKeySha256(publicKey),
    signer: createLocalSigner({ privateKeyPem, spec }),
  };
  keysOfThisProcess.set(`${spec} ${name}`, key);
  return key;
}

export interface TestCertificateOptions {
  readonly commonName?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const dayMs = 24 * 60 * 60 * 1000;

/** A self-signed certificate of `key` in PEM; valid from yesterday for a year unless told otherwise. */
export function signingCertificate(key: SigningKey, options: TestCertificateOptions = {}): Promise<string> {
  const notBefore = options.notBefore ?? new Date(Date.now() - dayMs);
  return issueSelfSignedCertificate({
    signer: key.signer,
    algorithm: key.algorithm,
    publicKeyPem: key.publicKeyPem,
    subject: {
      commonName: options.commonName ?? 'release.test',
      organization: 'Example Lab',
      stateOrProvince: 'Zhejiang',
      country: 'CN',
    },
    notBefore,
    notAfter: options.notAfter ?? new Date(notBefore.getTime() + 365 * dayMs),
  });
}

/** `key` with a certificate of its own, as a trusted version. */
export async function trustedVersion(
  key: SigningKey,
  options: TestCertificateOptions & { readonly certificatePem?: string; readonly keyVersionId?: string } = {},
): Promise<TrustedVersion> {
  return readTrustedVersion({
    publicKeyPem: key.publicKeyPem,
    spec: key.spec,
    keyVersionId: options.keyVersionId,
    chainPem: options.certificatePem ?? (await signingCertificate(key, options)),
  });
}

/** Trust in one fresh certificate of `key`. */
export async function trustIn(key: SigningKey, options: TestCertificateOptions = {}): Promise<KeyTrust> {
  return { keyName: 'release', versions: [await trustedVersion(key, options)] };
}

function generatePrivateKey(spec: KeySpec): string {
  const { privateKey } =
    spec === 'EC_P256'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      : generateKeyPairSync('rsa', { modulusLength: spec === 'RSA_2048' ? 2048 : 3072 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
