import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One certificate of a chain, as lines of an OpenSSL extension section. */
export interface CertificateRecipe {
  readonly name: string;
  /** PKCS#8 PEM of the certificate's own key. */
  readonly privateKeyPem: string;
  /** Who signs; itself when absent. */
  readonly issuer?: IssuedCertificate;
  readonly extensions?: readonly string[];
  /** `sha256` unless told otherwise. */
  readonly hash?: string;
  readonly signatureOptions?: readonly string[];
  readonly days?: number;
}

export interface IssuedCertificate {
  readonly pem: string;
  readonly privateKeyPem: string;
}

/** Extensions that the Notary Project wants on a leaf and on an authority. */
export const leafExtensions = ['keyUsage=critical,digitalSignature', 'extendedKeyUsage=codeSigning'];
export const authorityExtensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'];

/** Issues a certificate with OpenSSL, so that what our own code reads was not written by it. */
export function issueWithOpenssl(recipe: CertificateRecipe): IssuedCertificate {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-openssl-'));
  const file = (name: string, content?: string): string => {
    const path = join(directory, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  };
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    const key = file('key.pem', recipe.privateKeyPem);
    const config = file('config', '[req]\ndistinguished_name=dn\n[dn]\n');
    const request = file('request.pem');
    const hash = `-${recipe.hash ?? 'sha256'}`;
    const options = (recipe.signatureOptions ?? []).flatMap((option) => ['-sigopt', option]);
    run(
      'req',
      '-new',
      '-key',
      key,
      '-config',
      config,
      '-subj',
      `/C=CN/ST=Zhejiang/O=Lab/CN=${recipe.name}`,
      '-out',
      request,
    );
    const extensions = file('extensions', ['[extensions]', ...(recipe.extensions ?? [])].join('\n'));
    const signer =
      recipe.issuer === undefined
        ? ['-signkey', key]
        : [
            '-CA',
            file('issuer.pem', recipe.issuer.pem),
            '-CAkey',
            file('issuer-key.pem', recipe.issuer.privateKeyPem),
            '-CAcreateserial',
          ];
    const out = file('out.pem');
    const validity = ['-days', String(recipe.days ?? 30), '-extfile', extensions, '-extensions', 'extensions'];
    run('x509', '-req', '-in', request, ...signer, ...validity, hash, ...options, '-out', out);
    return { pem: readFileSync(out, 'utf8'), privateKeyPem: recipe.privateKeyPem };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Whether `openssl verify -x509_strict` accepts a chain of PEM certificates, leaf first, its last one trusted; else what it says. */
export function opensslVerdict(leafPem: string, rootPem: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-openssl-'));
  try {
    writeFileSync(join(directory, 'leaf.pem'), leafPem);
    writeFileSync(join(directory, 'root.pem'), rootPem);
    const args = ['verify', '-x509_strict', '-CAfile', join(directory, 'root.pem'), join(directory, 'leaf.pem')];
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).includes(': OK')
      ? 'OK'
      : 'refused';
  } catch (error) {
    return String(error);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
