import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One certificate of a chain. */
export interface CertificateRecipe {
  readonly name: string;
  /** PKCS#8 PEM of the certificate's own key. */
  readonly privateKeyPem: string;
  /** Who signs; itself when absent. */
  readonly issuer?: IssuedCertificate;
  /** Lines of an OpenSSL extension section. */
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
  const run = (...args: string[]) => runOpenssl(args);
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

/** `OK` when `openssl verify -x509_strict` accepts a certificate with this root trusted; else what it says. Both in PEM. */
export function opensslVerdict(leafPem: string, rootPem: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-openssl-'));
  const [leaf, root] = [join(directory, 'leaf.pem'), join(directory, 'root.pem')];
  try {
    writeFileSync(leaf, leafPem);
    writeFileSync(root, rootPem);
    const said = runOpenssl(['verify', '-x509_strict', '-CAfile', root, leaf]);
    return said === `${leaf}: OK\n` ? 'OK' : said;
  } catch (error) {
    return String(error);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What OpenSSL's command line says to `input`. */
export function runOpenssl(args: readonly string[], input = ''): string {
  return runOpensslRaw(args, input).toString('utf8');
}

/** The certificate in DER, as OpenSSL reads it. */
export function derOf(pem: string): Buffer {
  return runOpensslRaw(['x509', '-outform', 'der'], pem);
}

// Named apart from the call: it comes with the system, not with a package.
const program = 'openssl';

function runOpensslRaw(args: readonly string[], input: string): Buffer {
  return execFileSync(program, args, { input, stdio: ['pipe', 'pipe', 'pipe'] });
}
