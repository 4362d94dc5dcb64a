import { beforeAll, describe, expect, it } from 'vitest';
import { isSameSignature } from '../../../src/domain/cosign-layer.ts';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { AutosignError, type ErrorCode } from '../../../src/domain/errors.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { cosign } from '../../../src/formats/cosign.ts';
import { notationJws } from '../../../src/formats/notation-jws.ts';
import type { SignatureArtifact, SignatureStore } from '../../../src/ports/signature-store.ts';
import { candidatesMax, findListedSignature, findSignature } from '../../../src/verification/find-signature.ts';
import type { KeyTrust, TrustedVersion } from '../../../src/verification/trust.ts';
import { verifyImage } from '../../../src/verification/verify-image.ts';
import { signWithCosign, trustInKeys } from '../../support/cosign-artifacts.ts';
import { craftSignature, exampleBinding, exampleSubject, signWithNotation } from '../../support/notation-artifacts.ts';
import { signingKey, trustedVersion, trustIn } from '../../support/signing-keys.ts';

const key = signingKey('EC_P256');
let version: TrustedVersion;
let trust: KeyTrust;
let good: SignatureArtifact;
let otherTag: SignatureArtifact;
let forged: SignatureArtifact;
let foreign: SignatureArtifact;
beforeAll(async () => {
  trust = await trustIn(key);
  [version] = trust.versions;
  good = await signWithNotation(key, version);
  otherTag = await signWithNotation(key, version, {
    binding: { mode: 'default', repository: 'registry.test/prod/app', tag: 'v2' },
  });
  forged = craftSignature(signingKey('EC_P256', 'forger'), version.chain);
  const stranger = signingKey('EC_P256', 'stranger');
  foreign = await signWithNotation(stranger, await trustedVersion(stranger));
});

/** The registry's part in memory: it lists and reads what it was given, or fails as told, and counts the requests. */
function storeOf(artifacts: readonly (SignatureArtifact | { descriptor: Descriptor; fails: ErrorCode })[]) {
  const calls = { list: 0, read: [] as string[] };
  const store: SignatureStore = {
    list: async () => {
      calls.list += 1;
      return artifacts.map(({ descriptor }) => descriptor);
    },
    read: async (_repository, listed) => {
      const { digest } = listed;
      calls.read.push(digest);
      const found = artifacts.find(({ descriptor }) => isSameSignature(descriptor, listed));
      if (found === undefined || 'fails' in found) throw new AutosignError(found?.fails ?? 'not-found', 'as told');
      return found;
    },
    push: () => Promise.reject(new Error('nothing is pushed here')),
    forget: () => Promise.reject(new Error('nothing is forgotten here')),
  };
  return { store, calls };
}

const failing = (fails: ErrorCode): { descriptor: Descriptor; fails: ErrorCode } => ({
  descriptor: {
    mediaType: mediaTypes.ociManifest,
    digest: digestOf(Buffer.from(fails)),
    size: 1,
    artifactType: mediaTypes.notarySignature,
  },
  fails,
});

const find = (artifacts: Parameters<typeof storeOf>[0], changes: { trust?: KeyTrust } = {}, by = findSignature) =>
  by({
    store: storeOf(artifacts).store,
    format: notationJws,
    repository: 'prod/app',
    subject: exampleSubject,
    binding: exampleBinding,
    trust,
    now: new Date(),
    outliveMs: 0,
    ...changes,
  });

describe('findSignature', () => {
  it('finds the one that counts among others, and says why the others do not', async () => {
    const { found, others } = await find([otherTag, forged, foreign, good]);
    expect(found).toEqual({ descriptor: good.descriptor, version });
    expect(others.map(({ descriptor, reason }) => [descriptor.digest, reason])).toEqual([
      [otherTag.descriptor.digest, 'other-binding'],
      [forged.descriptor.digest, 'bad-signature'],
    ]);
  });

  it('finds none where nothing is listed or nothing counts', async () => {
    expect(await find([])).toEqual({ found: undefined, others: [], gone: [] });
    expect((await find([otherTag])).found).toBeUndefined();
  });

  it('reads nothing that cannot be ours, and stops at the first that counts', async () => {
    const { store, calls } = storeOf([foreign, good, otherTag]);
    await findSignature({
      store,
      format: notationJws,
      repository: 'prod/app',
      subject: exampleSubject,
      binding: exampleBinding,
      trust,
      now: new Date(),
      outliveMs: 0,
    });
    expect(calls).toEqual({ list: 1, read: [good.descriptor.digest] });
  });

  it('uses the listing that the caller has', async () => {
    const { store, calls } = storeOf([good]);
    const { found } = await findSignature({
      store,
      format: notationJws,
      repository: 'prod/app',
      subject: exampleSubject,
      binding: exampleBinding,
      trust,
      now: new Date(),
      outliveMs: 0,
      listed: [good.descriptor],
    });
    expect(found?.descriptor).toEqual(good.descriptor);
    expect(calls.list).toBe(0);
  });

  it.each(['manifest-invalid', 'too-large'] as const)('passes over a candidate that is %s', async (code) => {
    const { found, others } = await find([failing(code), good]);
    expect(found?.descriptor).toEqual(good.descriptor);
    expect(others).toMatchObject([{ reason: 'unreadable', message: 'as told' }]);
  });

  it('passes over a candidate that does not parse, whoever made it', async () => {
    const broken = craftSignature(key, version.chain, { protectedHeader: (header) => ({ ...header, crit: [] }) });
    const { found, others } = await find([broken]);
    expect(found).toBeUndefined();
    expect(others).toMatchObject([{ reason: 'unreadable', message: expect.stringContaining('"crit"') }]);
  });

  it('names a listed candidate that is gone, and looks on', async () => {
    const { found, gone } = await find([failing('not-found'), good]);
    expect(found?.descriptor).toEqual(good.descriptor);
    expect(gone).toHaveLength(1);
  });

  it('calls a listed candidate that is gone an incomplete listing for those who cannot mend it', async () => {
    await expect(find([failing('not-found'), good], {}, findListedSignature)).rejects.toMatchObject({
      code: 'referrers-incomplete',
      message: expect.stringMatching(/lists the signature sha256:[0-9a-f]{64}, which is gone/),
    });
  });

  it.each(['registry-unreachable', 'registry-throttled', 'digest-mismatch', 'registry-denied'] as const)(
    'passes on %s',
    async (code) => {
      await expect(find([failing(code)])).rejects.toMatchObject({ code });
    },
  );

  it('passes on what the listing throws', async () => {
    const store: SignatureStore = {
      ...storeOf([]).store,
      list: () => Promise.reject(new AutosignError('referrers-incomplete', 'cut off')),
    };
    const finding = findSignature({
      store,
      format: notationJws,
      repository: 'prod/app',
      subject: exampleSubject,
      binding: exampleBinding,
      trust,
      now: new Date(),
      outliveMs: 0,
    });
    await expect(finding).rejects.toMatchObject({ code: 'referrers-incomplete', message: 'cut off' });
  });

  it('takes as many candidates as a verifier does, and refuses one more', async () => {
    await expect(find([...Array(candidatesMax - 1).fill(otherTag), good])).resolves.toMatchObject({
      found: { descriptor: good.descriptor },
    });
    await expect(find([...Array(candidatesMax).fill(otherTag), good])).rejects.toMatchObject({
      code: 'referrers-incomplete',
    });
    await expect(find([...Array(candidatesMax).fill(foreign), good])).resolves.toMatchObject({
      found: { descriptor: good.descriptor },
    });
  });
});

describe('verifyImage', () => {
  it('gives one result an expectation, in their order, from one listing', async () => {
    const { store, calls } = storeOf([otherTag, good]);
    const minimal = { mode: 'minimal' } as const;
    const results = await verifyImage({
      stores: { referrers: store, 'cosign-tag': store },
      repository: 'prod/app',
      subject: exampleSubject,
      expectations: [
        { rule: 'tagged', format: notationJws, binding: exampleBinding, trust },
        { rule: 'digest', format: notationJws, binding: minimal, trust },
      ],
      now: new Date(),
    });
    expect(results).toMatchObject([
      {
        rule: 'tagged',
        format: 'notation',
        keyName: 'release',
        found: { descriptor: good.descriptor },
        others: [{ reason: 'other-binding' }],
      },
      {
        rule: 'digest',
        binding: minimal,
        found: undefined,
        others: [{ reason: 'other-binding' }, { reason: 'other-binding' }],
      },
    ]);
    expect(calls.list).toBe(1);
  });

  it('counts a signature that is only to be renewed', async () => {
    const current = await trustedVersion(signingKey('EC_P256', 'newer'));
    const { store } = storeOf([good]);
    const almostOver = new Date((version.notAfter?.getTime() ?? 0) - 1);
    const [result] = await verifyImage({
      stores: { referrers: store, 'cosign-tag': store },
      repository: 'prod/app',
      subject: exampleSubject,
      expectations: [
        {
          rule: 'tagged',
          format: notationJws,
          binding: exampleBinding,
          trust: { keyName: 'release', versions: [current, version] },
        },
      ],
      now: almostOver,
    });
    expect(result?.found?.version).toBe(version);
  });
});

describe('findSignature, of the format cosign', () => {
  const rivals = ['one', 'two'].map((name) => signingKey('EC_P256', name));
  const findCosign = (artifacts: Parameters<typeof storeOf>[0]) => {
    const { store, calls } = storeOf(artifacts);
    const sought = {
      repository: 'prod/app',
      subject: exampleSubject,
      binding: exampleBinding,
      trust: trustInKeys(key),
    };
    const finding = findSignature({ store, format: cosign, ...sought, now: new Date(), outliveMs: 0 });
    return { finding, calls };
  };

  it('finds its own among signatures by others of the very same payload', async () => {
    const others = await Promise.all(rivals.map((rival) => signWithCosign(rival)));
    const own = await signWithCosign(key);
    const { found, others: refused } = await findCosign([...others, own]).finding;
    expect(found?.descriptor).toEqual(own.descriptor);
    expect(refused.map(({ reason }) => reason)).toEqual(['untrusted', 'untrusted']);
  });

  it('reads nothing of what it could not have made', async () => {
    const tags = ['v2', 'v3', 'v4'].map((tag) =>
      signWithCosign(key, { binding: { mode: 'default', repository: 'registry.test/prod/app', tag } }),
    );
    const { finding, calls } = findCosign(await Promise.all(tags));
    expect((await finding).found).toBeUndefined();
    expect(calls.read).toEqual([]);
  });
});
