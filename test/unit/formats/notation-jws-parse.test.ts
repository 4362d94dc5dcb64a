import { beforeAll, describe, expect, it } from 'vitest';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import type { TrustedVersion } from '../../../src/verification/trust.ts';
import {
  craftSignature,
  type Deviations,
  exampleBinding,
  inHeader,
  inManifest,
  inTarget,
} from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion } from '../../support/signing-keys.ts';

const rsa = signingKey('RSA_2048');
const p256 = signingKey('EC_P256');
const scheme = 'io.cncf.notary.signingScheme';
const time = 'io.cncf.notary.signingTime';
const expiry = 'io.cncf.notary.expiry';

let rsaVersion: TrustedVersion;
let p256Version: TrustedVersion;
beforeAll(async () => {
  rsaVersion = await trustedVersion(rsa);
  p256Version = await trustedVersion(p256);
});

const crafted = (deviations: Deviations) => craftSignature(p256, p256Version.chain, deviations);

describe('parse accepts what notation accepts', () => {
  it.each<[string, Deviations]>([
    ['the form of the specification', {}],
    [
      'further keys in the payload',
      {
        payload: (payload) => ({
          ...payload,
          more: 1,
          targetArtifact: { ...payload.targetArtifact, artifactType: 'a/b' },
        }),
      },
    ],
    ['a signing time with a fraction', inHeader({ [time]: '2026-11-22T04:37:12.5Z' })],
    ['a signing time with an offset', inHeader({ [time]: '2026-11-22T12:37:12+08:00' })],
    ['an expiry that is critical', inHeader({ [expiry]: '2026-12-22T04:37:12Z', crit: [scheme, expiry] })],
    ['the critical names in another order', inHeader({ [expiry]: '2026-12-22T04:37:12Z', crit: [expiry, scheme] })],
    ['an expiry of null', inHeader({ [expiry]: null })],
    ['a further header that is not critical', inHeader({ 'example.com/build': { number: 42 } })],
    [
      'a timestamp and an agent',
      {
        envelope: ({ header: regular, ...rest }) => ({
          ...rest,
          header: { ...regular, 'io.cncf.notary.timestampSignature': 'AAAA', 'io.cncf.notary.signingAgent': 'x/1' },
        }),
      },
    ],
    ['a manifest without annotations', inManifest({ annotations: undefined })],
    ['annotations of null', inManifest({ annotations: null })],
    [
      'upper-case thumbprints',
      {
        manifest: ({ annotations, ...rest }) => ({
          ...rest,
          annotations: Object.fromEntries(
            Object.entries(annotations as Record<string, string>).map(([name, value]) => [name, value.toUpperCase()]),
          ),
        }),
      },
    ],
    [
      'another size of the subject in the manifest',
      { manifest: ({ subject, ...rest }) => ({ ...rest, subject: { ...subject, size: 1 } }) },
    ],
    [
      'the form for registries without artifactType',
      {
        manifest: ({ config, artifactType: _, ...rest }) => ({
          ...rest,
          config: { ...config, mediaType: mediaTypes.notarySignature },
        }),
      },
    ],
    [
      'an image config beside the artifactType',
      { manifest: ({ config, ...rest }) => ({ ...rest, config: { ...config, mediaType: mediaTypes.ociImageConfig } }) },
    ],
  ])('%s', (_name, deviations) => {
    const parsed = notationJws.parse(crafted(deviations));
    expect(parsed.isSignedBy(p256.publicKey)).toBe(true);
    expect(parsed.binding).toEqual(exampleBinding);
  });

  it('PS256 by an RSA key of 2048 bits', () => {
    const parsed = notationJws.parse(craftSignature(rsa, rsaVersion.chain));
    expect(parsed.algorithm).toBe('RSA_PSS_SHA_256');
    expect(parsed.isSignedBy(rsa.publicKey)).toBe(true);
  });

  it('an expiry, which it gives on', () => {
    const parsed = notationJws.parse(crafted(inHeader({ [expiry]: '2026-12-22T04:37:12Z', crit: [scheme, expiry] })));
    expect(parsed.expiry).toEqual(new Date('2026-12-22T04:37:12Z'));
  });
});

describe('parse tells what a signature binds', () => {
  it.each([
    ['nothing but the digest without metadata', undefined, { mode: 'minimal' }],
    ['nothing but the digest with empty metadata', {}, { mode: 'minimal' }],
    ['nothing but the digest with metadata of null', null, { mode: 'minimal' }],
    [
      'repository and tag',
      { 'autosign.repository': 'r', 'autosign.tag': 't' },
      { mode: 'default', repository: 'r', tag: 't' },
    ],
    ['something unknown beside them', { 'autosign.repository': 'r', 'autosign.tag': 't', build: '42' }, undefined],
    ['only one of them', { 'autosign.repository': 'r' }, undefined],
    ['other metadata', { build: '42' }, undefined],
    ['two other entries', { build: '42', stage: 'b' }, undefined],
  ])('%s', (_name, annotations, binding) => {
    expect(notationJws.parse(crafted(inTarget({ annotations }))).binding).toEqual(binding);
  });
});
