import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkSigningChain, readSigningChain } from '../../../src/certificates/check-chain.ts';
import {
  authorityExtensions,
  type CertificateRecipe,
  derOf,
  type IssuedCertificate,
  issueWithOpenssl,
  leafExtensions,
} from '../../support/certificate-chains.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';

const key = signingKey('EC_P256');
const { privateKeyPem } = key;
const rsa3072 = signingKey('RSA_3072');
const dayMs = 24 * 60 * 60 * 1000;

const read = (...pems: string[]) =>
  readSigningChain({ chainPem: pems.join('\n'), publicKey: key.publicKey, spec: 'EC_P256' });
const refusal = (reason: string) =>
  expect.objectContaining({ code: 'certificate-invalid', message: expect.stringContaining(reason) });

/** A chain of three with deviations of one of them. */
function chainOf(
  deviations: {
    leaf?: Partial<CertificateRecipe>;
    intermediate?: Partial<CertificateRecipe>;
    root?: Partial<CertificateRecipe>;
  } = {},
): [string, string, string] {
  const authority = (
    name: string,
    issuer: IssuedCertificate | undefined,
    deviation: Partial<CertificateRecipe> | undefined,
  ) =>
    issueWithOpenssl({
      name,
      privateKeyPem: signingKey('EC_P256', name).privateKeyPem,
      extensions: authorityExtensions,
      ...(issuer === undefined ? {} : { issuer }),
      ...deviation,
    });
  const root = authority('root', undefined, deviations.root);
  const intermediate = authority('intermediate', root, deviations.intermediate);
  const leaf = issueWithOpenssl({
    name: 'leaf',
    privateKeyPem,
    issuer: intermediate,
    extensions: leafExtensions,
    ...deviations.leaf,
  });
  return [leaf.pem, intermediate.pem, root.pem];
}

const selfSigned = (extensions: readonly string[], more: Partial<CertificateRecipe> = {}) =>
  issueWithOpenssl({ name: 'leaf', privateKeyPem, extensions, ...more }).pem;

describe('readSigningChain accepts', () => {
  it('leaf, intermediate and root, and gives their bytes in order and the time that all share', () => {
    const pems = chainOf({ intermediate: { days: 7 } });
    const { chain, notBefore, notAfter } = read(...pems);
    expect(chain.map((der) => Buffer.from(der))).toEqual(pems.map(derOf));
    expect(notAfter.getTime() - Date.now()).toBeLessThanOrEqual(7 * dayMs);
    expect(notAfter.getTime() - Date.now()).toBeGreaterThan(6 * dayMs);
    expect(notBefore.getTime()).toBeLessThanOrEqual(Date.now());
  });

  it.each([
    ['a self-signed leaf', leafExtensions],
    ['a leaf without extended key usage', leafExtensions.slice(0, 1)],
    ['a leaf that says CA:FALSE', ['basicConstraints=critical,CA:FALSE', ...leafExtensions]],
    ['contentCommitment beside digitalSignature', ['keyUsage=critical,digitalSignature,nonRepudiation']],
  ])('%s', (_name, extensions) => {
    expect(read(selfSigned(extensions)).chain).toHaveLength(1);
  });

  it('a leaf whose authority has an RSA key of 3072 bits and signs with PSS', () => {
    const root = issueWithOpenssl({
      name: 'root',
      privateKeyPem: rsa3072.privateKeyPem,
      extensions: authorityExtensions,
    });
    const leaf = issueWithOpenssl({
      name: 'leaf',
      privateKeyPem,
      issuer: root,
      extensions: leafExtensions,
      signatureOptions: ['rsa_padding_mode:pss', 'rsa_pss_saltlen:digest'],
    });
    expect(read(leaf.pem, root.pem).chain).toHaveLength(2);
  });

  it('an authority that allows exactly as many authorities below it', () => {
    const constrained = (length: number) => ({
      extensions: [`basicConstraints=critical,CA:TRUE,pathlen:${length}`, 'keyUsage=critical,keyCertSign'],
    });
    expect(read(...chainOf({ root: constrained(1), intermediate: constrained(0) })).chain).toHaveLength(3);
  });

  it('text around the certificates', () => {
    expect(read(`Bag Attributes\n${selfSigned(leafExtensions)}# end`).chain).toHaveLength(1);
  });
});

describe('readSigningChain refuses', () => {
  let pems: [string, string, string];
  beforeAll(() => {
    pems = chainOf();
  });

  it('an incomplete, disordered or padded chain', () => {
    const [leaf, intermediate, root] = pems;
    expect(() => read(leaf)).toThrow(refusal('not self-signed: the chain must go up to and include its root'));
    expect(() => read(leaf, intermediate)).toThrow(refusal('not self-signed'));
    expect(() => read(leaf, root)).toThrow(refusal('not issued by the next one'));
    expect(() => read(leaf, root, intermediate)).toThrow(refusal('not issued by the next one'));
    expect(() => read(intermediate, root)).toThrow(refusal('for another key'));
    expect(() => read(leaf, intermediate, root, root)).toThrow(refusal('is self-signed, but only the last one may be'));
    expect(() => read(selfSigned(leafExtensions), root)).toThrow(
      refusal('is self-signed, but only the last one may be'),
    );
  });

  it('an issuer of the right name with another key', () => {
    const [leaf, , root] = pems;
    const [, forged] = chainOf();
    const impostor = issueWithOpenssl({
      name: 'intermediate',
      privateKeyPem: signingKey('EC_P256', 'impostor').privateKeyPem,
      issuer: { pem: root, privateKeyPem: signingKey('EC_P256', 'root').privateKeyPem },
      extensions: authorityExtensions,
    });
    expect(() => read(leaf, impostor.pem, root)).toThrow(refusal('not issued by the next one'));
    // A root of the same name and key, issued anew, is as good.
    expect(read(leaf, forged, root).chain).toHaveLength(3);
  });

  it('an issuer of the right key with another name', () => {
    const [leaf, , root] = pems;
    const renamed = issueWithOpenssl({
      name: 'renamed',
      privateKeyPem: signingKey('EC_P256', 'intermediate').privateKeyPem,
      issuer: { pem: root, privateKeyPem: signingKey('EC_P256', 'root').privateKeyPem },
      extensions: authorityExtensions,
    });
    expect(() => read(leaf, renamed.pem, root)).toThrow(refusal('not issued by the next one'));
  });

  it.each([
    ['a leaf that is an authority', ['basicConstraints=critical,CA:TRUE', ...leafExtensions], 'CA:TRUE'],
    ['no key usage', ['extendedKeyUsage=codeSigning'], 'no key usage'],
    ['a key usage that is not critical', ['keyUsage=digitalSignature'], 'not critical'],
    ['a key usage without digitalSignature', ['keyUsage=critical,nonRepudiation'], 'lacks digitalSignature'],
    ...['keyEncipherment', 'dataEncipherment', 'keyAgreement', 'keyCertSign', 'cRLSign'].map(
      (usage) => [usage, [`keyUsage=critical,digitalSignature,${usage}`], 'allows more than digitalSignature'] as const,
    ),
    ['encipherOnly', ['keyUsage=critical,digitalSignature,keyAgreement,encipherOnly'], 'allows more'],
    ['decipherOnly', ['keyUsage=critical,digitalSignature,keyAgreement,decipherOnly'], 'allows more'],
    ...['serverAuth', 'clientAuth', 'emailProtection', 'timeStamping', 'OCSPSigning', 'anyExtendedKeyUsage'].map(
      (usage) =>
        [usage, ['keyUsage=critical,digitalSignature', `extendedKeyUsage=codeSigning,${usage}`], usage] as const,
    ),
  ] as const)('%s', (_name, extensions, reason) => {
    expect(() => read(selfSigned(extensions))).toThrow(refusal(reason));
  });

  it.each([
    ['an authority that is none', ['keyUsage=critical,keyCertSign'], 'certificate 2 issued another one'],
    [
      'an authority whose CA:TRUE is not critical',
      ['basicConstraints=CA:TRUE', 'keyUsage=critical,keyCertSign'],
      'no critical CA:TRUE',
    ],
    ['an authority without key usage', ['basicConstraints=critical,CA:TRUE'], 'certificate 2 has no key usage'],
    [
      'an authority whose key usage is not critical',
      ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign'],
      'not critical',
    ],
    [
      'an authority that may not sign certificates',
      ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,cRLSign'],
      'lacks keyCertSign',
    ],
  ])('%s', (_name, extensions, reason) => {
    expect(() => read(...chainOf({ intermediate: { extensions } }))).toThrow(refusal(reason));
  });

  it('an authority with more authorities below it than it allows', () => {
    const extensions = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign'];
    expect(() => read(...chainOf({ root: { extensions } }))).toThrow(refusal('allows only 0 authorities'));
  });

  it('a certificate signed over SHA-1, at the leaf and above', () => {
    expect(() => read(selfSigned(leafExtensions, { hash: 'sha1' }))).toThrow(refusal('signed over SHA-1'));
    expect(() => read(...chainOf({ root: { hash: 'sha1' } }))).toThrow(refusal('signed over SHA-1'));
  });

  it('a certificate for another key', () => {
    const { pem } = issueWithOpenssl({
      name: 'leaf',
      privateKeyPem: signingKey('EC_P256', 'other').privateKeyPem,
      extensions: leafExtensions,
    });
    expect(() => read(pem)).toThrow(refusal('for another key'));
  });

  it.each([
    ['secp256k1', 'EC_P256', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey],
    ['P-384', 'EC_P256', generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey],
    ['RSA of 1024 bits', 'RSA_2048', generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey],
    ['RSA of 2048 bits under EC_P256', 'EC_P256', signingKey('RSA_2048').privateKeyPem],
  ] as const)('a key of another kind or size: %s', (_name, spec, privateKey) => {
    const pem =
      typeof privateKey === 'string' ? privateKey : privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const chainPem = issueWithOpenssl({ name: 'leaf', privateKeyPem: pem, extensions: leafExtensions }).pem;
    expect(() => readSigningChain({ chainPem, publicKey: createPublicKey(pem), spec })).toThrow(
      refusal(`not of the spec ${spec}`),
    );
  });

  it('RSA_3072, for which the Notary Project demands SHA-384', () => {
    const chainPem = issueWithOpenssl({
      name: 'leaf',
      privateKeyPem: rsa3072.privateKeyPem,
      extensions: leafExtensions,
    }).pem;
    expect(() => readSigningChain({ chainPem, publicKey: rsa3072.publicKey, spec: 'RSA_3072' })).toThrow(
      refusal('SHA-384'),
    );
  });

  it('files that hold something else', () => {
    const good = selfSigned(leafExtensions);
    expect(() => read('')).toThrow(refusal('no certificate'));
    expect(() => read(good, privateKeyPem)).toThrow(refusal('it holds a PRIVATE KEY'));
    expect(() => read('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).toThrow(
      refusal('certificate 1 of the chain file is malformed'),
    );
    expect(() => read(good.repeat(11))).toThrow(refusal('more than 10'));
    expect(() => read(good + ' '.repeat(256 * 1024))).toThrow(refusal('longer than'));
    const padded = Buffer.concat([derOf(good), Buffer.from([0])]).toString('base64');
    expect(() => read(`-----BEGIN CERTIFICATE-----\n${padded}\n-----END CERTIFICATE-----`)).toThrow(
      refusal('certificate 1'),
    );
  });
});

describe('checkSigningChain', () => {
  const notBefore = new Date('2026-03-01T00:00:00Z');
  const notAfter = new Date('2026-06-01T00:00:00Z');
  const check = async (now: Date) =>
    checkSigningChain({
      chainPem: await signingCertificate(key, { notBefore, notAfter }),
      publicKey: key.publicKey,
      spec: 'EC_P256',
      now,
    });

  it('accepts the first and the last moment', async () => {
    await expect(check(notBefore)).resolves.toMatchObject({ notBefore, notAfter });
    await expect(check(notAfter)).resolves.toMatchObject({ notBefore, notAfter });
  });

  it('refuses the moment before and the one after, with the date', async () => {
    await expect(check(new Date(notBefore.getTime() - 1))).rejects.toThrow(refusal('not valid before 2026-03-01'));
    await expect(check(new Date(notAfter.getTime() + 1))).rejects.toThrow(refusal('it ended on 2026-06-01'));
  });
});
