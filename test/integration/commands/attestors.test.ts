import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { sample } from '../../emulator/sample-config.ts';
import { startEmulator } from '../../emulator/start-emulator.ts';
import { directoryWith, runCommand } from './run-command.ts';

const secret = 'secret-of-the-reader';
const everything = { Version: '1' as const, Statement: [{ Effect: 'Allow' as const, Action: '*', Resource: '*' }] };
const securityCenter = {
  attestors: [
    { Name: 'release', KeyId: 'key-1', KeyVersionId: 'v-1', KeyRegionId: 'cn-hangzhou', Remark: 'first: "one"\n# no' },
    { Name: '0x10', KeyId: 'key-2', KeyVersionId: 'v-2', KeyRegionId: 'cn-beijing' },
  ],
  policies: [
    {
      Name: 'only-signed',
      Status: 'enabled' as const,
      Clusters: [
        { ClusterId: 'c-with', Namespaces: ['default'] },
        { ClusterId: 'c-without', Namespaces: ['team-a', 'team-b'] },
      ],
      Policy: { PolicyMode: 'requireAttestor', RequiredAttestors: ['release'] },
    },
  ],
  kritisClusters: ['c-with'],
};

type AtEnd = (cleanUp: () => Promise<void> | void) => void;

/** An account whose user may do everything, changing what is in Security Center included. */
async function openImport(atEnd: AtEnd, files: Record<string, string> = {}) {
  const users = [{ ...sample.worker, accessKeySecret: secret, policies: [everything] }];
  const emulator = await startEmulator({ users, securityCenter });
  atEnd(() => emulator.close());
  const directory = directoryWith(files, atEnd);
  const file = join(directory, 'attestors.yaml');
  const env = {
    ALIBABA_CLOUD_ACCESS_KEY_ID: sample.worker.accessKeyId,
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: secret,
  };
  const run = (...options: readonly string[]) =>
    runCommand(['attestors', 'import', '--out', file, '--endpoint', emulator.url, ...options], env);
  return { emulator, directory, file, run };
}

describe.concurrent('autosign attestors import', () => {
  test('writes what stands there, commented, and calls nothing that changes it', async ({ onTestFinished }) => {
    const { emulator, directory, file, run } = await openImport(onTestFinished);
    const { code, stdout, stderr } = await run();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/2 attestors, 1 policies \(enabled: only-signed\)/);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('cannot see what autosign signs');
    expect(parse(text)).toEqual({
      attestors: [
        {
          name: 'release',
          keyId: 'key-1',
          keyVersionId: 'v-1',
          keyRegionId: 'cn-hangzhou',
          remark: 'first: "one"\n# no',
        },
        { name: '0x10', keyId: 'key-2', keyVersionId: 'v-2', keyRegionId: 'cn-beijing', remark: '' },
      ],
      policies: [
        {
          name: 'only-signed',
          status: 'enabled',
          remark: '',
          mode: 'requireAttestor',
          requiredAttestors: ['release'],
          clusters: [
            { clusterId: 'c-with', namespaces: ['default'] },
            { clusterId: 'c-without', namespaces: ['team-a', 'team-b'] },
          ],
        },
      ],
      kritisInstalled: { 'c-with': true, 'c-without': false },
    });
    expect(text).not.toContain(secret);
    expect(readdirSync(directory)).toEqual(['attestors.yaml']);
    expect(emulator.calls.map(({ action }) => action)).toEqual([
      'DescribeAttestors',
      'DescribeBinarySecurityPolicies',
      'DescribeContainerServiceK8sClusterKritisStatus',
      'DescribeContainerServiceK8sClusterKritisStatus',
    ]);
  });

  test('leaves a file that is there alone and calls nobody, unless --force', async ({ onTestFinished }) => {
    const { emulator, file, run } = await openImport(onTestFinished, { 'attestors.yaml': 'mine' });
    const refused = await run();
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
    expect({ text: readFileSync(file, 'utf8'), calls: emulator.calls.length }).toEqual({ text: 'mine', calls: 0 });
    const { code, stdout } = await run('--force', '--json');
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      report: { file, attestors: 2, policies: 1, enabledPolicies: ['only-signed'] },
    });
    expect(readFileSync(file, 'utf8')).toContain('release');
  });

  test('writes nothing when a page is refused', async ({ onTestFinished }) => {
    const { emulator, directory, run } = await openImport(onTestFinished);
    emulator.faults.failNext = {
      count: 1,
      status: 403,
      code: 'NoPermission',
      action: 'DescribeBinarySecurityPolicies',
    };
    const { code, stderr } = await run();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('needs the RAM action yundun-sas:DescribeBinarySecurityPolicies'),
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  test('names a cluster that cannot be asked about, and keeps the rest', async ({ onTestFinished }) => {
    const { emulator, file, run } = await openImport(onTestFinished);
    const action = 'DescribeContainerServiceK8sClusterKritisStatus';
    emulator.faults.failNext = { count: 1, status: 403, code: 'NoPermission', action };
    expect(await run()).toMatchObject({ code: 0 });
    expect(parse(readFileSync(file, 'utf8'))).toMatchObject({
      kritisInstalled: { 'c-with': expect.stringMatching(/^not known: .*yundun-sas/), 'c-without': false },
    });
  });

  test('says which folder cannot be written to', async ({ onTestFinished }) => {
    const { directory, run } = await openImport(onTestFinished);
    const out = join(directory, 'none', 'attestors.yaml');
    expect(await run('--out', out)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${out} cannot be written`),
    });
    expect(existsSync(out)).toBe(false);
  });

  test('ends with 8 when nobody answers', async ({ onTestFinished }) => {
    const { emulator, run } = await openImport(onTestFinished);
    emulator.faults.down = true;
    expect(await run()).toMatchObject({ code: 8 });
  });
});

const rules = `version: 1
registries:
  - { name: prod, host: registry.example.com, acr: { instanceId: cri-prod, region: cn-hangzhou } }
  - { name: lab, host: lab.example.com }
keys:
  - name: release
    spec: RSA_2048
    kms: { region: cn-hangzhou, keyId: key-hzz, keyVersionId: kv-1, roleArn: "acs:ram::123:role/signer" }
  - name: curve
    spec: EC_P256
    kms: { region: cn-hangzhou, keyId: key-ec, keyVersionId: kv-2, roleArn: "acs:ram::123:role/signer" }
  - { name: dev, spec: RSA_2048, local: { privateKeyFile: dev.pem } }
  - { name: unused, spec: RSA_2048, local: { privateKeyFile: dev.pem } }
rules:
  - { name: plain, registries: [prod], namespaces: { include: [prod] }, key: release, algorithm: RSA_PSS_SHA_256 }
  - { name: wide, registries: [prod], namespaces: { include: ["team-*"] }, tags: { include: ["v*"] }, key: curve, algorithm: ECDSA_SHA_256 }
  - { name: local, registries: [prod, lab], repositories: { exclude: [x] }, key: dev, algorithm: RSA_PSS_SHA_256 }
  - { name: gone, registries: [prod], state: off, key: unused, algorithm: RSA_PSS_SHA_256 }
`;

describe.concurrent('autosign attestors plan', () => {
  test('says what each key and rule would need, and what ACR cannot do', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': rules }, onTestFinished);
    const { code, stdout } = await runCommand([
      'attestors',
      'plan',
      '--rules',
      join(directory, 'rules.yaml'),
      '--json',
    ]);
    expect({ code, plan: JSON.parse(stdout) }).toEqual({
      code: 0,
      plan: {
        warning: expect.stringContaining('cannot see what autosign signs'),
        attestors: [
          {
            key: 'release',
            rules: ['plain'],
            attestor: { Name: 'release', KeyId: 'key-hzz', KeyVersionId: 'kv-1', KeyRegionId: 'cn-hangzhou' },
            obstacles: [],
          },
          { key: 'curve', rules: ['wide'], obstacles: [expect.stringContaining('RSA_2048 alone')] },
          { key: 'dev', rules: ['local'], obstacles: [expect.stringContaining('OpenAPI of KMS')] },
        ],
        rules: [
          expect.objectContaining({
            rule: 'plain',
            instances: ['cri-prod'],
            namespaces: ['prod'],
            attestor: 'release',
            obstacles: [],
          }),
          expect.objectContaining({
            rule: 'wide',
            obstacles: [expect.stringContaining('one namespace'), expect.stringContaining('every tag')],
          }),
          expect.objectContaining({
            rule: 'local',
            obstacles: [
              expect.stringContaining('without acr'),
              expect.stringContaining('one namespace'),
              expect.stringContaining('every repository'),
            ],
          }),
        ],
        policy: {
          Name: '<name>',
          Clusters: '[{"ClusterId":"<id of a cluster>","Namespaces":["<namespace>"]}]',
          Policy: '{"PolicyMode":"requireAttestor","RequiredAttestors":["release"]}',
          Status: 'disabled',
        },
      },
    });
  });

  test('prints the warning first for people', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': rules }, onTestFinished);
    const { code, stdout } = await runCommand(['attestors', 'plan', '--rules', join(directory, 'rules.yaml')]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Nothing is created\./);
    expect(stdout).toContain('KeyVersionId: kv-1');
  });

  test('refuses rules that are not valid', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': 'version: 2' }, onTestFinished);
    expect(await runCommand(['attestors', 'plan', '--rules', join(directory, 'rules.yaml')])).toMatchObject({
      code: 2,
    });
  });
});
