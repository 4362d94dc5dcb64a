import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { assumeRole } from '../../../src/alibaba/sts.ts';
import type { StsCredentials } from '../../../src/alibaba/sts-credentials.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import { type Clock, systemClock } from '../../../src/ports/clock.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import type { RecordedCall } from '../../emulator/recorded-call.ts';
import { documentedRolePolicy, sample } from '../../emulator/sample-config.ts';
import { failureOf, startAccount, timeouts } from './account.ts';

const version = { KeyId: sample.keys.EC_P256, KeyVersionId: sample.keyVersionId };
const toSign = {
  ...version,
  Algorithm: 'ECDSA_SHA_256',
  Digest: Buffer.from(sha256(randomBytes(8))).toString('base64'),
};

async function openSession(overrides: Partial<EmulatorConfig> = {}, clock: Clock = systemClock, durationSeconds = 900) {
  const { emulator, base } = await startAccount(overrides, clock);
  const endpoint = emulator.url;
  const session = await assumeRole(
    { endpoint, credentials: await base.credentials(), timeouts },
    {
      roleArn: sample.roleArn,
      externalId: undefined,
      sessionName: 'test',
      policy: JSON.stringify(documentedRolePolicy),
      durationSeconds,
    },
  );
  const call = (action: string, query: Record<string, string>, credentials: StsCredentials = session) =>
    callOpenApi({ endpoint, action, version: '2016-01-20', query, credentials, timeouts });
  return { emulator, session, call };
}

/** The most calls that came in within one second, whichever second it is. */
function mostInASecond(calls: readonly RecordedCall[]): number {
  const timesMs = calls.map(({ atMs }) => atMs).sort((a, b) => a - b);
  return Math.max(...timesMs.map((start) => timesMs.filter((at) => at >= start && at < start + 1000).length));
}

describe('a rate of signatures', () => {
  it('is kept in any second, and what is above it is refused and remembered', async () => {
    const { emulator, call } = await openSession({ faults: { signaturesPerSecond: 10 } });
    // Sent until both sides of a second's end were seen, however fast this machine is.
    const startedAt = Date.now();
    let sent = 0;
    while (Date.now() - startedAt < 1_300) {
      sent += 6;
      await Promise.all(Array.from({ length: 6 }, () => call('AsymmetricSign', toSign).catch(() => undefined)));
    }
    const signatures = emulator.calls.filter(({ action }) => action === 'AsymmetricSign');
    const [taken, throttled] = [200, 400].map((status) => signatures.filter((one) => one.status === status));
    expect(signatures).toHaveLength(sent);
    expect((taken?.length ?? 0) + (throttled?.length ?? 0)).toBe(sent);
    expect(mostInASecond(taken ?? [])).toBe(10);
    expect(taken?.length).toBeGreaterThan(10);
    expect(new Set(throttled?.map(({ code }) => code))).toEqual(new Set(['Rejected.Throttling']));
  });

  it('holds for AsymmetricVerify too, and for nothing else', async () => {
    const { emulator, call } = await openSession();
    const { Value } = (await call('AsymmetricSign', toSign)) as { readonly Value: string };
    emulator.faults.signaturesPerSecond = 0;
    const refused = await failureOf(call('AsymmetricVerify', { ...toSign, Value }));
    expect(refused).toMatchObject({ code: 'kms-throttled' });
    expect(await call('GetPublicKey', version)).toMatchObject(version);
  });
});

describe('scaled lifetimes', () => {
  it('end a session as much sooner, and say so', async () => {
    let nowMs = Date.parse('2026-01-02T03:04:05Z');
    const clock = { now: () => new Date(nowMs) };
    const { session, call } = await openSession({ lifetimeScale: 0.01 }, clock, 3600);
    expect(session.expiration).toEqual(new Date(nowMs + 36_000));
    nowMs += 35_999;
    expect(await call('GetPublicKey', version)).toMatchObject(version);
    nowMs += 1;
    expect((await failureOf(call('GetPublicKey', version))).message).toContain('InvalidSecurityToken.Expired');
  });

  it.each([0, -1, 1.5])('are refused when the scale is %s', async (lifetimeScale) => {
    await expect(startAccount({ lifetimeScale })).rejects.toThrow(/lifetimeScale/);
  });
});

describe('an answer that is cut off', () => {
  it('is no answer to the client, though the call was carried out', async () => {
    const { emulator, call } = await openSession();
    emulator.faults.cutNext = 1;
    expect(await failureOf(call('AsymmetricSign', toSign))).toMatchObject({ code: 'kms-unreachable' });
    expect(emulator.calls.at(-1)).toMatchObject({ action: 'AsymmetricSign', status: 200 });
    expect(await call('AsymmetricSign', toSign)).toMatchObject(version);
  });
});
