import { describe, expect, it } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { createSecurityCenter } from '../../../src/alibaba/security-center.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { sample } from '../../emulator/sample-config.ts';
import { allTextOf, failureOf, permanentKey, startAccount, timeouts } from './account.ts';

const reads = [
  'yundun-sas:DescribeAttestors',
  'yundun-sas:DescribeBinarySecurityPolicies',
  'yundun-sas:DescribeContainerServiceK8sClusterKritisStatus',
];
const accessKeySecret = 'secret-of-the-reader';

function attestorNamed(name: string) {
  return { Name: name, KeyId: `key-${name}`, KeyVersionId: 'v1', KeyRegionId: 'cn-hangzhou', Remark: '' };
}

/** An account whose user may do what is `allowed` in Security Center. */
async function open(securityCenter: NonNullable<EmulatorConfig['securityCenter']>, allowed: readonly string[] = reads) {
  const statement = { Effect: 'Allow' as const, Action: [...allowed], Resource: ['*'] };
  const user = { ...sample.worker, accessKeySecret, policies: [{ Version: '1' as const, Statement: [statement] }] };
  const { emulator } = await startAccount({ users: [user], securityCenter });
  const credentials = permanentKey(accessKeySecret);
  return { emulator, center: createSecurityCenter({ endpoint: emulator.url, credentials, timeouts }) };
}

describe('Security Center', () => {
  it('is read over all pages', async () => {
    const attestors = Array.from({ length: 41 }, (_, index) => attestorNamed(`a${index}`));
    const { emulator, center } = await open({ attestors });
    expect((await center.listAttestors()).map(({ name }) => name)).toEqual(attestors.map(({ Name }) => Name));
    expect(emulator.calls.map(({ query }) => query['CurrentPage'])).toEqual(['1', '2', '3']);
  });

  it.each([
    [
      'a list and a map',
      [{ ClusterId: 'c1', Namespaces: ['default'] }],
      { PolicyMode: 'requireAttestor', RequiredAttestors: ['a'] },
    ],
    [
      'JSON in strings',
      '[{"ClusterId":"c1","Namespaces":["default"]}]',
      '{"PolicyMode":"requireAttestor","RequiredAttestors":["a"]}',
    ],
    [
      'lower-case keys',
      [{ ClusterId: 'c1', Namespaces: ['default'] }],
      { policyMode: 'requireAttestor', requiredAttestors: ['a'] },
    ],
  ])('answers policies the same from %s', async (_, Clusters, Policy) => {
    const { center } = await open({ policies: [{ Name: 'p', Status: 'enabled', Clusters, Policy }] });
    expect(await center.listPolicies()).toEqual([
      {
        name: 'p',
        status: 'enabled',
        remark: '',
        mode: 'requireAttestor',
        requiredAttestors: ['a'],
        clusters: [{ clusterId: 'c1', namespaces: ['default'] }],
      },
    ]);
  });

  it('tells whether a cluster has kritis-validation-hook', async () => {
    const { center } = await open({ kritisClusters: ['c1'] });
    expect([await center.hasKritis('c1'), await center.hasKritis('c2')]).toEqual([true, false]);
  });

  it.each([
    ['DescribeAttestors', 'listAttestors'],
    ['DescribeBinarySecurityPolicies', 'listPolicies'],
  ] as const)('names the RAM action when %s is refused, and no secret', async (action, method) => {
    const { center } = await open(
      {},
      reads.filter((each) => each !== `yundun-sas:${action}`),
    );
    const error = await failureOf(center[method]());
    expect(error).toMatchObject({ code: 'role-refused' });
    expect(error.message).toContain(`needs the RAM action yundun-sas:${action}`);
    expect(allTextOf(error)).not.toContain(accessKeySecret);
  });

  it.each([
    ['no list', '{"PageInfo":{"TotalCount":0}}', /not as documented \(Attestors\)/],
    ['an entry without a name', '{"Attestors":[{"Name":7}],"PageInfo":{"TotalCount":1}}', /not as documented/],
    ['fewer entries than it says', '{"Attestors":[],"PageInfo":{"TotalCount":"3"}}', /0 of 3 entries/],
    ['a page of a gateway', '<html>', /no usable answer/],
  ])('counts as unreachable when it answers %s', async (_, body, reason) => {
    const { center, emulator } = await open({});
    emulator.faults.failNext = { count: 1, status: 200, code: '', body };
    expect(await failureOf(center.listAttestors())).toMatchObject({
      code: 'kms-unreachable',
      message: expect.stringMatching(reason),
    });
  });

  it('gives up a listing that does not end', async () => {
    const { center, emulator } = await open({});
    const body = JSON.stringify({ Attestors: [attestorNamed('a')], PageInfo: { TotalCount: 1_000_000 } });
    emulator.faults.failNext = { count: Number.POSITIVE_INFINITY, status: 200, code: '', body };
    expect(await failureOf(center.listAttestors())).toMatchObject({ message: expect.stringMatching(/more than 2000/) });
    expect(emulator.calls).toHaveLength(100);
  });

  it('would be seen by a test when it is changed', async () => {
    const { emulator } = await open({}, ['yundun-sas:*']);
    const action = 'CreateBinarySecurityPolicy';
    const credentials = await permanentKey(accessKeySecret).credentials();
    await callOpenApi({ endpoint: emulator.url, action, version: '2018-12-03', query: {}, credentials, timeouts });
    expect(emulator.calls).toMatchObject([{ action, status: 200 }]);
  });
});
