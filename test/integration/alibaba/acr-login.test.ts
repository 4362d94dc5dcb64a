import { inspect } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { trustPolicy } from '../../emulator/sample-config.ts';
import { allowing } from '../../support/start-acr.ts';
import { leastPolicies, openAcrJobs, registryRole, roleField } from './acr-setting.ts';

const signed = { next: 'done', outcome: { intents: [{ status: 'signed' }] } };
const repositories = 'acs:cr:cn-hangzhou:1234567890123456:repository/cri-emulated';

describe('with the login of an ACR instance', () => {
  it.each(['fallbackHost', 'referrersHost'] as const)(
    'an image is signed and its signature found (%s)',
    async (which) => {
      const upstream = inject(which);
      if (upstream === undefined) return;
      const { push, sign, instance, access, callsOf } = await openAcrJobs({ upstream });
      const { digest, repository } = await push('team/app');
      expect(await sign('team/app')).toMatchObject(signed);
      expect(await access.stores.referrers.list(repository, digest)).toHaveLength(1);
      expect(await sign('team/app')).toMatchObject({ outcome: { intents: [{ status: 'already-signed' }] } });
      // One login, and a bearer token for each kind of access; blobs from object storage without either.
      expect(callsOf('GetAuthorizationToken')).toHaveLength(1);
      expect(callsOf('token').length).toBeLessThanOrEqual(2);
      expect(instance.registry.storage.served).toBeGreaterThan(0);
      expect(instance.registry.storage.leaks).toEqual([]);
    },
  );

  it('signs with the rights that the documentation names, and no others', async () => {
    const { push, sign } = await openAcrJobs({ acr: { policies: leastPolicies } });
    await push('app');
    expect(await sign('app')).toMatchObject(signed);
  });

  it('may not push without the right to push: that is wrong for the image, and the registry is not paused', async () => {
    const policies = [allowing('cr:GetAuthorizationToken', '*'), allowing('cr:PullRepository', `${repositories}/*`)];
    const { push, sign } = await openAcrJobs({ acr: { policies } });
    await push('app');
    for (let job = 0; job < 2; job += 1) {
      expect(await sign('app')).toMatchObject({ next: 'give-up', error: { code: 'registry-denied', scope: 'image' } });
    }
  });

  it('an identity without the right to the login pauses the registry, with the code and the request id', async () => {
    const { push, sign, callsOf } = await openAcrJobs({ acr: { policies: [allowing('cr:PullRepository', '*')] } });
    await push('app');
    const verdict = await sign('app');
    expect(verdict).toMatchObject({
      next: 'sleep',
      reason: expect.stringMatching(/NoPrivilege.*RequestId.*GetAuthorizationToken/),
    });
    expect(await sign('app')).toMatchObject({ next: 'sleep' });
    // The second job is told so by the first.
    expect(callsOf('GetAuthorizationToken')).toHaveLength(1);
  });

  it('a wrong secret pauses the registry, and is in no text', async () => {
    const { push, sign, credentials } = await openAcrJobs();
    Object.assign(credentials, { accessKeySecret: 'another-secret-that-must-not-leak' });
    await push('app');
    const verdict = await sign('app');
    expect(verdict).toMatchObject({ next: 'sleep', reason: expect.stringContaining('SignatureDoesNotMatch') });
    expect(inspect(verdict, { depth: 9 })).not.toContain('must-not-leak');
  });

  it('IsSuccess false pauses the registry and is over when the next try goes well', async () => {
    const { push, sign, emulator } = await openAcrJobs();
    await push('app');
    emulator.acr.faults.failInsideNext = { count: 1, code: 'INSTANCE_NOT_EXIST', action: 'GetAuthorizationToken' };
    expect(await sign('app')).toMatchObject({
      next: 'sleep',
      reason: expect.stringContaining('INSTANCE_NOT_EXIST, HTTP 200'),
    });
    await expect.poll(() => sign('app'), { timeout: 10_000 }).toMatchObject(signed);
  });

  it('the OpenAPI being away is no word about the image: the job is tried again', async () => {
    const { push, sign, emulator } = await openAcrJobs();
    await push('app');
    emulator.faults.failNext = { count: 3, status: 503, code: 'ServiceUnavailable', action: 'GetAuthorizationToken' };
    expect(await sign('app')).toMatchObject({ next: 'retry', error: { code: 'registry-unreachable' } });
    expect(await sign('app')).toMatchObject(signed);
  });

  it('a bearer token that is over by the registry is replaced without any job noticing', async () => {
    const { push, sign, emulator } = await openAcrJobs();
    await push('a');
    await push('b');
    expect(await sign('a')).toMatchObject(signed);
    emulator.acr.expireTokens();
    expect(await sign('b')).toMatchObject(signed);
  });

  it('a login that is taken back before its end is asked for anew without any job noticing', async () => {
    const { push, sign, emulator, callsOf } = await openAcrJobs();
    await push('a');
    await push('b');
    expect(await sign('a')).toMatchObject(signed);
    emulator.acr.expireLogins();
    emulator.acr.expireTokens();
    expect(await sign('b')).toMatchObject(signed);
    expect(callsOf('GetAuthorizationToken')).toHaveLength(2);
  });
});

describe('with a role for the registry', () => {
  it('signs by a session that may do less than the role', async () => {
    const { push, sign, callsOf, namespace } = await openAcrJobs({
      acrFields: roleField,
      rolePolicies: [allowing('cr:*', '*')],
      acr: { policies: [] },
    });
    await push('app');
    expect(await sign('app')).toMatchObject(signed);
    const [assumed] = callsOf('AssumeRole');
    expect(assumed).toMatchObject({ action: 'AssumeRole' });
    expect(callsOf('GetAuthorizationToken')).toHaveLength(1);
    expect(inspect(assumed, { depth: 9 })).toContain(`${repositories}/${namespace}/*`);
  });

  it.each([
    ['is not there', undefined, /EntityNotExist\.Role/],
    ['may not log in', [allowing('cr:PullRepository', '*')], /NoPrivilege/],
  ] as const)('a role that %s pauses the registry and no key', async (_, rolePolicies, reason) => {
    const { push, sign, pauses } = await openAcrJobs({
      acrFields: roleField,
      ...(rolePolicies && { rolePolicies }),
      acr: rolePolicies === undefined ? { emulator: { roles: [] } } : {},
    });
    await push('app');
    expect(await sign('app')).toMatchObject({ next: 'sleep', reason: expect.stringMatching(reason) });
    expect(pauses.list()).toMatchObject([{ scope: 'registry', name: 'lab' }]);
  });

  it('a role that does not trust the worker names the statement that its trust policy lacks', async () => {
    const roles = [
      {
        arn: registryRole,
        trustPolicy: trustPolicy({ Service: ['cr.aliyuncs.com'] }),
        policies: [allowing('cr:*', '*')],
      },
    ];
    const { push, sign } = await openAcrJobs({ acrFields: roleField, acr: { emulator: { roles } } });
    await push('app');
    expect(await sign('app')).toMatchObject({
      next: 'sleep',
      reason: expect.stringMatching(
        /NoPermission.*"Principal":\{"RAM":\["acs:ram::1234567890123456:user\/autosign-worker"\]\}/,
      ),
    });
  });
});
