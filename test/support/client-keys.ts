import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueWithOpenssl, runOpenssl } from './certificate-chains.ts';

interface ClientKeyRecipe {
  /** How OpenSSL encrypts both bags; Alibaba's files have one of the first two, or both. */
  readonly encryption?: 'PBE-SHA1-3DES' | 'PBE-SHA1-RC2-40' | 'AES-256-CBC';
  readonly days?: number;
  /** With another private key than the last one. */
  readonly fresh?: boolean;
}

/** A ClientKey as an administrator of a KMS instance gets it. */
interface MadeClientKey {
  readonly id: string;
  readonly privateKeyPem: string;
  /** SPKI: what the instance knows. */
  readonly publicKeyPem: string;
  readonly password: string;
  /** The text of its file: JSON with a PKCS#12 in base64, made by OpenSSL. */
  readonly fileText: string;
}

// RSA keys take long to make, and tests do not change them.
let known: string | undefined;

export function makeClientKey({
  encryption = 'PBE-SHA1-3DES',
  days = 365,
  fresh = false,
}: ClientKeyRecipe = {}): MadeClientKey {
  if (known === undefined || fresh) known = newPrivateKeyPem();
  const privateKeyPem = known;
  const id = `KAAP.${randomBytes(8).toString('hex')}`;
  const password = randomBytes(16).toString('hex');
  const { pem } = issueWithOpenssl({ name: id, privateKeyPem, days });
  return {
    id,
    privateKeyPem,
    publicKeyPem: createPublicKey(privateKeyPem).export({ type: 'spki', format: 'pem' }).toString(),
    password,
    fileText: JSON.stringify({
      KeyId: id,
      PrivateKeyData: packPkcs12(pem, privateKeyPem, password, encryption).toString('base64'),
    }),
  };
}

function newPrivateKeyPem(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function packPkcs12(certificate: string, privateKeyPem: string, password: string, encryption: string): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-client-key-'));
  const out = join(directory, 'out.p12');
  try {
    writeFileSync(join(directory, 'in.pem'), certificate + privateKeyPem);
    // Go's pkcs12, and so Alibaba's SDK, knows SHA-1 alone as the hash of the MAC.
    const legacy = encryption.startsWith('PBE') ? ['-legacy', '-macalg', 'sha1'] : [];
    const bags = ['-certpbe', encryption, '-keypbe', encryption];
    const files = ['-in', join(directory, 'in.pem'), '-out', out, '-passout', `pass:${password}`];
    runOpenssl(['pkcs12', '-export', ...legacy, ...bags, ...files]);
    return readFileSync(out);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
