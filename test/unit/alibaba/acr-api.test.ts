import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createAcrApi } from '../../../src/alibaba/acr-api.ts';
import { getInstance, listEndpoints } from '../../../src/alibaba/acr-instance.ts';
import { findRepository } from '../../../src/alibaba/acr-repositories.ts';
import { createTrigger, deleteTrigger, listTriggers, updateTrigger } from '../../../src/alibaba/acr-triggers.ts';
import { alibabaCodeOf } from '../../../src/alibaba/call-openapi.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import { quickLimits, startScriptedAcr, workerKey } from './scripted-acr.ts';

const Anything = z.object({});

async function failureOf(promise: Promise<unknown>): Promise<AutosignError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AutosignError)) throw new Error(`expected a failure, got ${inspect(error)}`);
  return error;
}

test('names the instance, the action and the version, and signs with the credentials', async () => {
  await using acr = await startScriptedAcr(() => ({ InstanceId: 'cri-test', InstanceStatus: 'RUNNING' }));
  expect(await getInstance(acr.api)).toEqual({ id: 'cri-test', name: '', specification: '', status: 'RUNNING' });
  const [received] = acr.received;
  expect(received?.headers).toMatchObject({ 'x-acs-action': 'GetInstance', 'x-acs-version': '2018-12-01' });
  expect(received?.headers['x-acs-security-token']).toBe(workerKey.securityToken);
  expect(received?.path).toBe('/?InstanceId=cri-test');
});

test.each([
  ['NoPrivilege', 403, 'registry-denied'],
  ['NoPermission', 403, 'registry-denied'],
  ['Forbidden.RAM', 403, 'registry-denied'],
  ['InvalidSecurityToken.Expired', 400, 'registry-login-refused'],
  ['InvalidAccessKeyId.NotFound', 404, 'registry-login-refused'],
  ['SignatureDoesNotMatch', 400, 'registry-login-refused'],
  ['INSTANCE_NOT_EXIST', 400, 'registry-login-refused'],
  ['REPO_NOT_EXIST', 404, 'not-found'],
  ['NAMESPACE_NOT_EXIST', 404, 'not-found'],
  ['Throttling.User', 429, 'registry-throttled'],
  ['ServiceUnavailable', 503, 'registry-unreachable'],
  ['SOMETHING_NEW', 500, 'registry-unreachable'],
  ['SOMETHING_NEW', 400, 'registry-protocol'],
])('reads the error %s with HTTP %d as %s', async (code, httpStatus, expected) => {
  await using acr = await startScriptedAcr(() => ({ httpStatus, Code: code, Message: 'because', HostId: 'h' }));
  const error = await failureOf(acr.api.call('ListNamespace', Anything));
  expect(error).toMatchObject({ code: expected, requestId: 'R-1' });
  expect(error.message).toContain(code);
  expect(error.message).not.toContain('KMS');
  expect(alibabaCodeOf(error)).toBe(code);
});

test.each([
  ['INSTANCE_NOT_EXIST', 'registry-login-refused'],
  ['REPO_NOT_EXIST', 'not-found'],
  ['REPO_SYNC_RULE_QUOTA', 'registry-protocol'],
])('an answer with HTTP 200 and IsSuccess false is the error %s', async (code, expected) => {
  await using acr = await startScriptedAcr(() => ({ IsSuccess: false, Code: code, RequestId: 'R-200' }));
  const error = await failureOf(acr.api.call('ListNamespace', Anything));
  expect(error).toMatchObject({ code: expected, requestId: 'R-200' });
  expect(error.message).toContain(`${code}, HTTP 200, RequestId R-200`);
});

test.each([{ IsSuccess: undefined }, { IsSuccess: null }, { IsSuccess: 'perhaps' }, { IsSuccess: 'false' }])(
  'an answer that does not say that it succeeded is none: %o',
  async (outcome) => {
    await using acr = await startScriptedAcr(() => ({ ...outcome }));
    await expect(acr.api.call('ListNamespace', Anything)).rejects.toMatchObject({ code: 'registry-protocol' });
  },
);

test('a registry that refuses its token refuses the login, whatever its word for it', async () => {
  for (const code of ['NoPermission', 'Forbidden.RAM', 'SOMETHING_NEW']) {
    await using acr = await startScriptedAcr(() => ({ httpStatus: 403, Code: code }));
    const error = await failureOf(acr.api.call('GetAuthorizationToken', Anything));
    expect(error).toMatchObject({ code: 'registry-login-refused', scope: 'registry' });
  }
});

test('what is wrong with the identity or with STS is wrong with the registry', async () => {
  const pairs = [
    ['credentials-missing', 'registry-login-refused'],
    ['role-refused', 'registry-login-refused'],
    ['kms-throttled', 'registry-throttled'],
    ['kms-unreachable', 'registry-unreachable'],
  ] as const;
  for (const [found, expected] of pairs) {
    const cause = new AutosignError(found, 'the trust policy lacks a statement', { requestId: 'R-STS' });
    await using acr = await startScriptedAcr(() => ({}), {
      credentials: { credentials: () => Promise.reject(cause), forget: () => undefined },
    });
    const error = await failureOf(acr.api.call('ListNamespace', Anything));
    expect(error).toMatchObject({
      code: expected,
      scope: 'registry',
      message: cause.message,
      requestId: 'R-STS',
      cause,
    });
  }
});

test('is asked again while it is away, and gives up after a few tries', async () => {
  let answers = [503, 200];
  await using acr = await startScriptedAcr(() => ({ httpStatus: answers.shift() ?? 503, Code: 'ServiceUnavailable' }));
  await acr.api.call('ListNamespace', Anything);
  expect(acr.actions()).toHaveLength(2);
  answers = [];
  await expect(acr.api.call('ListNamespace', Anything)).rejects.toMatchObject({ code: 'registry-unreachable' });
  expect(acr.actions()).toHaveLength(4);
});

test('what is refused is not asked again', async () => {
  await using acr = await startScriptedAcr(() => ({ httpStatus: 403, Code: 'NoPermission' }));
  await failureOf(acr.api.call('ListNamespace', Anything));
  expect(acr.actions()).toHaveLength(1);
});

test('an endpoint that nothing listens on is about the registry', async () => {
  const credentials = { credentials: async () => workerKey, forget: () => undefined };
  const api = createAcrApi({
    instanceId: 'cri-test',
    endpoint: 'http://127.0.0.1:9',
    credentials,
    limits: quickLimits,
  });
  const error = await failureOf(api.call('ListNamespace', Anything));
  expect(error).toMatchObject({ code: 'registry-unreachable' });
  expect(error.message).toContain('acr.endpoint');
});

test('an answer that is not as documented names the field and quotes nothing', async () => {
  await using acr = await startScriptedAcr(() => ({ AuthorizationToken: 'a-password', TempUsername: 7 }));
  const error = await failureOf(acr.api.call('GetAuthorizationToken', z.object({ TempUsername: z.string() })));
  expect(error).toMatchObject({ code: 'registry-protocol', message: expect.stringContaining('TempUsername') });
  expect(inspect(error, { depth: 9 })).not.toContain('a-password');
});

test('no secret of a request is in its failure', async () => {
  await using acr = await startScriptedAcr((_, query) => ({
    httpStatus: 400,
    Code: 'SignatureDoesNotMatch',
    Message: `server string to sign: ${workerKey.securityToken} ${workerKey.accessKeySecret} ${query}`,
  }));
  const error = await failureOf(acr.api.call('ListNamespace', Anything));
  const text = inspect(error, { depth: 9 });
  expect(text).not.toContain('must-not-leak');
});

test('a repository that is not there is undefined, and one that may not be read an error', async () => {
  let answer: Record<string, unknown> = { IsSuccess: false, Code: 'REPO_NOT_EXIST' };
  await using acr = await startScriptedAcr(() => answer);
  const name = { namespace: 'team', name: 'agent/client' };
  expect(await findRepository(acr.api, name)).toBeUndefined();
  answer = { IsSuccess: false, Code: 'NoPermission' };
  await expect(findRepository(acr.api, name)).rejects.toMatchObject({ code: 'registry-denied' });
  answer = { RepoId: 'crr-1', RepoNamespaceName: 'team', RepoName: 'agent/client', TagImmutability: true };
  expect(await findRepository(acr.api, name)).toMatchObject({ id: 'crr-1', tagsAreImmutable: true });
  expect(acr.queriesOf('GetRepository')[2]?.get('RepoName')).toBe('agent/client');
});

test('lists the ways to reach the instance', async () => {
  await using acr = await startScriptedAcr(() => ({
    Endpoints: [
      {
        EndpointType: 'internet',
        Enable: true,
        Status: 'RUNNING',
        AclEnable: true,
        Domains: [{ Domain: 'a.example' }],
      },
      { EndpointType: 'vpc', Enable: 'false', Domains: null },
    ],
  }));
  expect(await listEndpoints(acr.api)).toEqual([
    { type: 'internet', isEnabled: true, status: 'RUNNING', isRestricted: true, domains: ['a.example'] },
    { type: 'vpc', isEnabled: false, status: '', isRestricted: false, domains: [] },
  ]);
});

describe('triggers', () => {
  const url = 'https://hooks.example/webhooks/acr/prod/a-token-that-must-not-leak';
  const wish = { name: 'autosign', url, type: 'ALL', tag: '' } as const;

  test('are listed as they stand, of any type', async () => {
    await using acr = await startScriptedAcr(() => ({
      Triggers: [
        { TriggerId: 'crw-1', TriggerName: 'autosign', TriggerUrl: url, TriggerType: 'ALL', TriggerTag: null },
        {
          TriggerId: 'crw-2',
          TriggerName: 'deploy',
          TriggerUrl: 'x',
          TriggerType: 'TAG_LISTTAG',
          TriggerTag: '["v1"]',
        },
      ],
    }));
    expect(await listTriggers(acr.api, 'crr-1')).toEqual([
      { id: 'crw-1', ...wish },
      { id: 'crw-2', name: 'deploy', url: 'x', type: 'TAG_LISTTAG', tag: '["v1"]' },
    ]);
  });

  test('are made once, also when the service does not answer', async () => {
    let httpStatus = 200;
    await using acr = await startScriptedAcr(() => ({ httpStatus, Code: 'ServiceUnavailable', TriggerId: 'crw-3' }));
    expect(await createTrigger(acr.api, 'crr-1', wish)).toBe('crw-3');
    httpStatus = 503;
    await failureOf(createTrigger(acr.api, 'crr-1', wish));
    await failureOf(deleteTrigger(acr.api, 'crr-1', 'crw-3'));
    expect(acr.actions()).toEqual(['CreateRepoTrigger', 'CreateRepoTrigger', 'DeleteRepoTrigger']);
    expect(Object.fromEntries(acr.queriesOf('CreateRepoTrigger')[0] ?? [])).toEqual({
      InstanceId: 'cri-test',
      RepoId: 'crr-1',
      TriggerName: 'autosign',
      TriggerUrl: url,
      TriggerType: 'ALL',
      TriggerTag: '',
    });
  });

  test('keep their token out of a failure that quotes it', async () => {
    await using acr = await startScriptedAcr((_, query) => ({
      IsSuccess: false,
      Code: 'TRIGGER_URL_INVALID',
      Message: `${query.get('TriggerUrl')} is not allowed, nor ${query.get('TriggerUrl')?.split('/').at(-1)}`,
    }));
    const error = await failureOf(updateTrigger(acr.api, 'crr-1', 'crw-1', wish));
    expect(error.message).toContain('is not allowed');
    expect(inspect(error, { depth: 9 })).not.toContain('must-not-leak');
  });
});
