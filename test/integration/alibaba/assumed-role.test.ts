import { describe, expect, it } from 'vitest';
import { type AssumedRoleOptions, createAssumedRole } from '../../../src/alibaba/assumed-role.ts';
import { keySessionPolicy } from '../../../src/alibaba/key-session-policy.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { documentedRolePolicy, sample, trustPolicy } from '../../emulator/sample-config.ts';
import { allTextOf, failureOf, startAccount, timeouts } from './account.ts';

const minuteMs = 60_000;

async function startRole(config: Partial<EmulatorConfig> = {}, overrides: Partial<AssumedRoleOptions> = {}) {
  let nowMs = Date.now();
  let slowMs = 0;
  const account = await startAccount(config, { now: () => new Date(nowMs - slowMs) });
  const role = createAssumedRole({
    base: account.base,
    stsEndpoint: account.emulator.url,
    roleArn: sample.roleArn,
    externalId: undefined,
    sessionName: 'test',
    policy: keySessionPolicy(account.source()),
    durationSeconds: 3600,
    clock: { now: () => new Date(nowMs) },
    timeouts,
    ...overrides,
  });
  const { calls, faults } = account.emulator;
  return {
    ...account,
    role,
    faults,
    advance: (ms: number) => {
      nowMs += ms;
    },
    letServiceBeSlow: (ms: number) => {
      slowMs = ms;
    },
    assumed: () => calls.filter((call) => call.action === 'AssumeRole').length,
  };
}

describe('an assumed role', () => {
  it('is assumed once for a hundred callers that come at the same time', async () => {
    const { role, assumed } = await startRole();
    const all = await Promise.all(Array.from({ length: 100 }, () => role.credentials()));
    expect(new Set(all.map((credentials) => credentials.accessKeyId)).size).toBe(1);
    expect(assumed()).toBe(1);
  });

  it('keeps its credentials while two thirds of their life last', async () => {
    const { role, assumed, advance } = await startRole();
    const first = await role.credentials();
    advance(38 * minuteMs);
    expect(await role.credentials()).toBe(first);
    expect(assumed()).toBe(1);
  });

  it('renews in the background: the caller gets the old ones at once, later ones the new', async () => {
    const { role, advance, faults, assumed } = await startRole();
    const first = await role.credentials();
    advance(45 * minuteMs);
    faults.latencyMs = 100;
    expect(await Promise.all([role.credentials(), role.credentials()])).toEqual([first, first]);
    await expect.poll(async () => (await role.credentials()).accessKeyId).not.toBe(first.accessKeyId);
    expect(assumed()).toBe(2);
  });

  it('goes on with the old ones when renewal fails, and tries again half a minute later', async () => {
    let tries = 0;
    const account = await startAccount();
    const failsTheSecondTime = async () => {
      tries += 1;
      if (tries === 2) throw new Error('no identity just now');
      return account.base.credentials();
    };
    const { role, advance } = await startRole(
      {},
      { base: { ...account.base, credentials: failsTheSecondTime }, stsEndpoint: account.emulator.url },
    );
    const first = await role.credentials();
    advance(45 * minuteMs);
    for (let call = 0; call < 10; call += 1) {
      expect(await role.credentials()).toBe(first);
      // Lets the renewal that failed come to its end.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(tries).toBe(2);
    advance(31_000);
    expect(await role.credentials()).toBe(first);
    expect(tries).toBe(3);
  });

  it('never hands out credentials that are over, also when STS is down', async () => {
    const { role, advance, faults } = await startRole();
    await role.credentials();
    advance(59.5 * minuteMs);
    faults.down = true;
    expect(await failureOf(role.credentials())).toMatchObject({ code: 'kms-unreachable' });
    faults.down = false;
    expect((await role.credentials()).expiration?.getTime()).toBeGreaterThan(Date.now() + 100 * minuteMs);
  });

  it('does not remember a failure, and shares it among those who waited', async () => {
    const { role, faults, assumed } = await startRole();
    faults.failNext = { count: 1, status: 500, code: 'InternalError' };
    const outcomes = await Promise.allSettled([role.credentials(), role.credentials()]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
    expect(assumed()).toBe(1);
    await role.credentials();
    expect(assumed()).toBe(2);
  });

  it('refuses credentials that are over by our clock when they come', async () => {
    const { role, letServiceBeSlow } = await startRole();
    letServiceBeSlow(60 * minuteMs);
    expect(await failureOf(role.credentials())).toMatchObject({
      code: 'credentials-missing',
      message: expect.stringContaining('clock'),
    });
  });

  it('ends a session after what was asked for, though STS names a later time', async () => {
    const { role, letServiceBeSlow, advance, assumed } = await startRole();
    letServiceBeSlow(-30 * minuteMs);
    await role.credentials();
    advance(59.5 * minuteMs);
    await role.credentials();
    expect(assumed()).toBe(2);
  });

  it('gets new ones after those it gave were refused, and ignores a late word on older ones', async () => {
    const { role, assumed } = await startRole();
    const first = await role.credentials();
    role.forget(first);
    const second = await role.credentials();
    role.forget(first);
    expect(await role.credentials()).toBe(second);
    expect(assumed()).toBe(2);
  });
});

describe('a role that is refused', () => {
  it('prints the statement that the trust policy lacks, when it trusts cr.aliyuncs.com alone', async () => {
    const documented = trustPolicy({ Service: ['cr.aliyuncs.com'] });
    const { role } = await startRole({
      roles: [{ arn: sample.roleArn, trustPolicy: documented, policies: [documentedRolePolicy] }],
    });
    const error = await failureOf(role.credentials());
    expect(error).toMatchObject({ code: 'role-refused', message: expect.stringContaining('NoPermission') });
    const statement = JSON.parse(error.message.slice(error.message.indexOf('{')));
    expect(statement).toEqual({ Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { RAM: [sample.worker.arn] } });
  });

  it('prints it when the role does not exist', async () => {
    const { role } = await startRole({ roles: [] });
    expect(await failureOf(role.credentials())).toMatchObject({
      code: 'role-refused',
      message: expect.stringMatching(/EntityNotExist\.Role.*"Principal":\{"RAM":\["acs:ram::1234567890123456:user/),
    });
  });

  it('leaves a place for the identity when STS does not tell it', async () => {
    const { role, faults } = await startRole({ roles: [] });
    faults.failNext = { count: 1, status: 500, code: 'InternalError', action: 'GetCallerIdentity' };
    expect((await failureOf(role.credentials())).message).toContain("<ARN of the worker's own RAM user or role>");
  });

  it('does not tell the external id', async () => {
    const { role } = await startRole({ roles: [] }, { externalId: 'external-id-not-for-logs' });
    const text = allTextOf(await failureOf(role.credentials()));
    expect(text).toContain('sts:ExternalId');
    expect(text).not.toContain('external-id-not-for-logs');
  });

  it.each([
    ['a session longer than the role allows', { durationSeconds: 7200 }, 'InvalidParameter.DurationSeconds'],
    ['a session shorter than STS allows', { durationSeconds: 60 }, 'InvalidParameter.DurationSeconds'],
    ['a policy that is no policy', { policy: '{"Version":"2"}' }, 'InvalidParameter.PolicyGrammar'],
    ['a policy that is too long', { policy: ' '.repeat(1025) }, 'InvalidParameter.PolicySize'],
    ['a session name with a space', { sessionName: 'a b' }, 'InvalidParameter.RoleSessionName'],
  ])('names %s and no trust statement', async (_, overrides, code) => {
    const { role } = await startRole({}, overrides);
    const error = await failureOf(role.credentials());
    expect(error).toMatchObject({ code: 'role-refused', message: expect.stringContaining(code) });
    expect(error.message).not.toContain('Principal');
  });

  it('counts as missing credentials when STS does not know the access key', async () => {
    const { role } = await startRole({ users: [] });
    expect(await failureOf(role.credentials())).toMatchObject({
      code: 'credentials-missing',
      message: expect.stringContaining('InvalidAccessKeyId.NotFound'),
    });
  });
});
