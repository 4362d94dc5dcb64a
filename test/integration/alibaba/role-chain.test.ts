import { describe, expect, it } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { createRoleChain, type RoleChainOptions } from '../../../src/alibaba/role-chain.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { documentedRolePolicy, sample, trustPolicy } from '../../emulator/sample-config.ts';
import { allTextOf, failureOf, startAccount, timeouts } from './account.ts';

const minuteMs = 60_000;
/** A role of the account in which the key is not, and one in the key's account that trusts it alone. */
const way = 'acs:ram::6543210987654321:role/autosign-way';
const door = 'acs:ram::1234567890123456:role/autosign-door';
const via = [way, door].map((roleArn) => ({ roleArn, externalId: undefined }));

function allowing(action: string, resource: string) {
  return { Version: '1' as const, Statement: [{ Effect: 'Allow' as const, Action: [action], Resource: [resource] }] };
}

const wayRole = {
  arn: way,
  trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }),
  // Wider than it should be: what a session may do is up to its session policy.
  policies: [allowing('*', '*')],
};
const doorRole = {
  arn: door,
  trustPolicy: trustPolicy({ RAM: [way] }),
  policies: [allowing('sts:AssumeRole', sample.roleArn)],
};
const keyRole = { arn: sample.roleArn, trustPolicy: trustPolicy({ RAM: [door] }), policies: [documentedRolePolicy] };

async function startChain(config: Partial<EmulatorConfig> = {}, overrides: Partial<RoleChainOptions> = {}) {
  let nowMs = Date.now();
  const clock = { now: () => new Date(nowMs) };
  const account = await startAccount({ roles: [wayRole, doorRole, keyRole], ...config }, clock);
  const chain = createRoleChain({
    base: account.base,
    via,
    role: { roleArn: sample.roleArn, externalId: undefined },
    policy: JSON.stringify(allowing('kms:GetPublicKey', '*')),
    sessionSeconds: 3600,
    stsEndpoint: account.emulator.url,
    clock,
    timeouts,
    ...overrides,
  });
  const assumed = () => account.emulator.calls.filter(({ action }) => action === 'AssumeRole');
  return {
    ...account,
    chain,
    assumed,
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('a chain of roles', () => {
  it('assumes each role once, one by the other, for a hundred callers that come at the same time', async () => {
    const { chain, assumed } = await startChain();
    const all = await Promise.all(Array.from({ length: 100 }, () => chain.credentials()));
    expect(new Set(all.map(({ accessKeyId }) => accessKeyId)).size).toBe(1);
    expect(assumed().map(({ caller, query }) => [caller, query['RoleArn']])).toEqual([
      [sample.worker.arn, way],
      ['acs:ram::6543210987654321:assumed-role/autosign-way/acr-autosign', door],
      ['acs:ram::1234567890123456:assumed-role/autosign-door/acr-autosign', sample.roleArn],
    ]);
  });

  it('lets each session on the way assume the next role and nothing else', async () => {
    const { assumed, base, emulator, chain } = await startChain();
    await chain.credentials();
    expect(assumed().map(({ query }) => JSON.parse(query['Policy'] ?? '').Statement)).toEqual([
      [{ Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: [door] }],
      [{ Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: [sample.roleArn] }],
      [{ Effect: 'Allow', Action: ['kms:GetPublicKey'], Resource: ['*'] }],
    ]);

    // The role may do everything, the session that was made of it may not look at a key.
    const { Policy: policy = '' } = assumed()[0]?.query ?? {};
    const [role] = via;
    if (role === undefined) throw new Error('there is no role on the way');
    const options = { base, via: [], role, policy, sessionSeconds: 3600, stsEndpoint: emulator.url, timeouts };
    const session = createRoleChain({ ...options, clock: { now: () => new Date() } });
    const look = callOpenApi({
      endpoint: emulator.url,
      action: 'DescribeKey',
      version: '2016-01-20',
      query: { KeyId: sample.keys.EC_P256 },
      credentials: await session.credentials(),
      timeouts,
    });
    expect(await failureOf(look)).toMatchObject({ message: expect.stringContaining('Forbidden.NoPermission') });
  });

  it('signs with a key of the account that it leads to', async () => {
    const { key } = await startChain();
    const { signature } = await key({ via }).sign('ECDSA_SHA_256', Buffer.from('a message'));
    expect(signature.length).toBeGreaterThan(60);
  });

  it('takes no key without it, when the role trusts the last role on the way alone', async () => {
    const { key } = await startChain();
    expect(await failureOf(key().getPublicKey())).toMatchObject({ code: 'role-refused' });
  });

  it('asks for sessions as long as it is told', async () => {
    const { chain, assumed } = await startChain({}, { sessionSeconds: 900 });
    const { expiration } = await chain.credentials();
    expect(expiration?.getTime()).toBeLessThanOrEqual(Date.now() + 15 * minuteMs);
    expect(assumed().map(({ query }) => query['DurationSeconds'])).toEqual(['900', '900', '900']);
  });

  it('renews every session of it before its end and stops nobody meanwhile', async () => {
    const { chain, assumed, advance, emulator } = await startChain();
    const first = await chain.credentials();
    advance(45 * minuteMs);
    emulator.faults.latencyMs = 50;
    expect(await Promise.all([chain.credentials(), chain.credentials()])).toEqual([first, first]);
    await expect.poll(async () => (await chain.credentials()).accessKeyId).not.toBe(first.accessKeyId);
    // The sessions on the way were as old: each was renewed once, none in the way of a caller.
    await expect.poll(() => assumed().length).toBe(6);
    expect(emulator.calls.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('gets over the end of all its sessions at STS, from the last to the first', async () => {
    const { chain, emulator } = await startChain();
    const held = await chain.credentials();
    emulator.expireSessions();
    chain.forget(held);
    for (const _ of via) {
      expect(await failureOf(chain.credentials())).toMatchObject({
        code: 'credentials-missing',
        message: expect.stringContaining('InvalidSecurityToken.Expired'),
      });
    }
    expect((await chain.credentials()).accessKeyId).not.toBe(held.accessKeyId);
  });

  it('does not remember that the first try failed on the way', async () => {
    const { chain, emulator } = await startChain();
    emulator.faults.failNext = { count: 1, status: 503, code: 'ServiceUnavailable', action: 'AssumeRole' };
    expect(await failureOf(chain.credentials())).toMatchObject({ code: 'kms-unreachable' });
    expect(await chain.credentials()).toMatchObject({ accessKeyId: expect.stringMatching(/^STS\./) });
  });
});

describe('a chain of roles that is refused', () => {
  it('prints the statement for the role before, when the next one does not trust it', async () => {
    const strange = { ...doorRole, trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }) };
    const { chain } = await startChain({ roles: [wayRole, strange, keyRole] });
    const error = await failureOf(chain.credentials());
    expect(error).toMatchObject({
      code: 'role-refused',
      requestId: expect.stringMatching(/^[0-9A-F-]{36}$/),
      message: expect.stringMatching(/NoPermission, HTTP 403, RequestId [0-9A-F-]{36}/),
    });
    expect(error.message).toContain(`To let this worker assume ${door}`);
    expect(JSON.parse(error.message.slice(error.message.indexOf('{')))).toMatchObject({ Principal: { RAM: [way] } });
  });

  it('fails when a role on the way may not assume roles', async () => {
    const { chain } = await startChain({ roles: [wayRole, { ...doorRole, policies: [] }, keyRole] });
    expect(await failureOf(chain.credentials())).toMatchObject({
      code: 'role-refused',
      message: expect.stringContaining('sts:AssumeRole'),
    });
  });

  it.each([
    ['missing', undefined],
    ['wrong', 'a-wrong-external-id'],
  ])('fails when the external id of a role on the way is %s, and does not tell it', async (_, externalId) => {
    const statement = {
      Effect: 'Allow' as const,
      Action: 'sts:AssumeRole' as const,
      Principal: { RAM: [sample.worker.arn] },
      Condition: { StringEquals: { 'sts:ExternalId': ['the-right-external-id'] } },
    };
    const guarded = { ...wayRole, trustPolicy: { Version: '1' as const, Statement: [statement] } };
    const roles = [guarded, doorRole, keyRole];
    const [, second] = via;
    if (second === undefined) throw new Error('there is one role on the way');
    const { chain } = await startChain({ roles }, { via: [{ roleArn: way, externalId }, second] });
    const error = await failureOf(chain.credentials());
    expect(error).toMatchObject({ code: 'role-refused' });
    expect(allTextOf(error)).not.toContain('external-id');

    const right = await startChain({ roles }, { via: [{ roleArn: way, externalId: 'the-right-external-id' }, second] });
    expect(await right.chain.credentials()).toMatchObject({ accessKeyId: expect.stringMatching(/^STS\./) });
  });
});
