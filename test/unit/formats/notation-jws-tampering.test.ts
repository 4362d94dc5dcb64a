import { constants, createHash, sign } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { isAutosignError } from '../../../src/domain/errors.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import type { SignatureArtifact } from '../../../src/ports/signature-store.ts';
import type { TrustedVersion } from '../../../src/verification/trust.ts';
import {
  craftArtifact,
  craftSignature,
  type Deviations,
  inHeader,
  inManifest,
  inTarget,
  signAsJws,
  signWithNotation,
} from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const rsa = signingKey('RSA_2048');
const p256 = signingKey('EC_P256');
const scheme = 'io.cncf.notary.signingScheme';
const time = 'io.cncf.notary.signingTime';
const expiry = 'io.cncf.notary.expiry';

let rsaVersion: TrustedVersion;
let p256Version: TrustedVersion;
let foreignDer: Buffer;
beforeAll(async () => {
  rsaVersion = await trustedVersion(rsa);
  p256Version = await trustedVersion(p256);
  const foreign = await trustedVersion(signingKey('EC_P256', 'foreign'));
  foreignDer = Buffer.from(foreign.chain[0] ?? []);
});

const crafted = (deviations: Deviations) => craftSignature(p256, p256Version.chain, deviations);

describe('isSignedBy is false', () => {
  it.each([0, 20, 64, 222])('for PSS with a salt of %i bytes', (saltLength) => {
    const artifact = craftSignature(rsa, rsaVersion.chain, { sign: (bytes) => signAsJws(rsa, bytes, saltLength) });
    expect(notationJws.parse(artifact).isSignedBy(rsa.publicKey)).toBe(false);
  });

  it('for PKCS#1 v1.5 and for PSS over SHA-1 under the header PS256', () => {
    const pkcs1 = (bytes: Uint8Array) =>
      sign('sha256', bytes, { key: rsa.privateKeyPem, padding: constants.RSA_PKCS1_PADDING });
    const sha1 = (bytes: Uint8Array) =>
      sign('sha1', bytes, { key: rsa.privateKeyPem, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    for (const signWith of [pkcs1, sha1]) {
      const artifact = craftSignature(rsa, rsaVersion.chain, { sign: signWith });
      expect(notationJws.parse(artifact).isSignedBy(rsa.publicKey)).toBe(false);
    }
  });

  it('when the leaf is swapped for one of another key', () => {
    const artifact = crafted({
      envelope: ({ header: regular, ...rest }) => ({
        ...rest,
        header: { ...regular, x5c: [foreignDer.toString('base64')] },
      }),
      manifest: ({ annotations: _, ...rest }) => rest,
    });
    expect(notationJws.parse(artifact).isSignedBy(signingKey('EC_P256', 'foreign').publicKey)).toBe(false);
  });
});

describe.each([['RSA_2048'], ['EC_P256']] as const)('a changed %s signature', (spec) => {
  const key = signingKey(spec);
  let artifact: SignatureArtifact;
  beforeAll(async () => {
    artifact = await signWithNotation(key, spec === 'EC_P256' ? p256Version : rsaVersion);
  });

  /** The artifact anew around a changed envelope, so that only the signature can tell. */
  const rewrapped = (bytes: Uint8Array) =>
    craftArtifact(bytes, [], { manifest: ({ annotations: _, ...rest }) => rest });
  const stillCounts = (bytes: Uint8Array): boolean => {
    try {
      const parsed = notationJws.parse(rewrapped(bytes));
      return parsed.isSignedBy(key.publicKey);
    } catch (error) {
      if (isAutosignError(error, 'manifest-invalid')) return false;
      throw error;
    }
  };

  it('is no longer the key’s after any one byte of payload, protected header or signature is changed', () => {
    const bytes = Buffer.from(artifact.blobs[1]?.bytes ?? []);
    expect(stillCounts(bytes)).toBe(true);
    const text = bytes.toString('latin1');
    for (const part of ['payload', 'protected', 'signature']) {
      const start = text.indexOf(`"${part}":"`) + part.length + 4;
      const end = text.indexOf('"', start);
      expect(end - start).toBeGreaterThan(80);
      for (let at = start; at < end; at += 1) {
        const changed = Buffer.from(bytes);
        changed[at] = text[at] === 'A' ? 0x42 : 0x41;
        expect(stillCounts(changed), `${part} at ${at - start}`).toBe(false);
      }
    }
  });

  it.each([
    ['digest', (payload: string) => payload.replace(/(sha256:)./, (_, prefix) => `${prefix}g`)],
    [
      'digest, well-formed',
      (payload: string) => payload.replace(/sha256:[0-9a-f]{64}/, `sha256:${createHash('sha256').digest('hex')}`),
    ],
    ['tag', (payload: string) => payload.replace('"v1"', '"v2"')],
    ['repository', (payload: string) => payload.replace('prod/app', 'prod/apq')],
    ['size', (payload: string) => payload.replace('"size":17', '"size":18')],
    ['white space', (payload: string) => payload.replace('{', '{ ')],
  ])('is no longer the key’s after the payload’s %s is changed', (_name, change) => {
    const envelopeText = JSON.parse(Buffer.from(artifact.blobs[1]?.bytes ?? []).toString());
    const before = Buffer.from(envelopeText.payload, 'base64url').toString();
    expect(change(before)).not.toBe(before);
    const payload = Buffer.from(change(before)).toString('base64url');
    expect(stillCounts(Buffer.from(JSON.stringify({ ...envelopeText, payload })))).toBe(false);
  });
});

describe('parse, whatever it is given,', () => {
  const onlyOurErrors = (artifact: SignatureArtifact): void => {
    try {
      notationJws.parse(artifact).isSignedBy(p256.publicKey);
    } catch (error) {
      if (!isAutosignError(error, 'manifest-invalid')) throw error;
    }
  };

  it('throws only manifest-invalid for arbitrary bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => onlyOurErrors(craftArtifact(bytes, []))));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) =>
        onlyOurErrors({
          descriptor: { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.length },
          manifest: bytes,
          blobs: [],
        }),
      ),
    );
  });

  it('throws only manifest-invalid for arbitrary JSON in any part', () => {
    const value = fc.jsonValue({ maxDepth: 4 });
    const part = fc.constantFrom('payload', 'protectedHeader', 'envelope', 'manifest');
    fc.assert(fc.property(part, value, (name, content) => onlyOurErrors(crafted({ [name]: () => content }))));
  });

  it('throws only manifest-invalid when one value anywhere is replaced', () => {
    const name = fc.constantFrom('alg', 'cty', 'crit', scheme, time, expiry, '__proto__', 'constructor');
    fc.assert(
      fc.property(name, fc.jsonValue(), (key, content) => onlyOurErrors(crafted(inHeader({ [key]: content })))),
    );
    const field = fc.constantFrom(
      'config',
      'layers',
      'subject',
      'annotations',
      'artifactType',
      'schemaVersion',
      '__proto__',
    );
    fc.assert(
      fc.property(field, fc.jsonValue(), (key, content) => onlyOurErrors(crafted(inManifest({ [key]: content })))),
    );
    const member = fc.constantFrom('mediaType', 'digest', 'size', 'annotations', '__proto__');
    fc.assert(
      fc.property(member, fc.jsonValue(), (key, content) => onlyOurErrors(crafted(inTarget({ [key]: content })))),
    );
  });

  it('throws only manifest-invalid for certificates with changed bytes', () => {
    const leaf = Buffer.from(p256Version.chain[0] ?? []);
    fc.assert(
      fc.property(fc.nat(leaf.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(leaf);
        changed[at] = byte;
        onlyOurErrors(craftSignature(p256, [changed]));
      }),
      { numRuns: 500 },
    );
  });
});
