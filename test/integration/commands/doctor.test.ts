import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import type { Finding } from '../../../src/doctor/check.ts';
import { documentedRolePolicy, sample, trustPolicy } from '../../emulator/sample-config.ts';
import { uniqueRepository } from '../../support/names.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';
import { type AcrOptions, allowing, startAcr } from '../../support/start-acr.ts';
import { directoryWith, runCommand } from './run-command.ts';

const upstream = inject('fallbackHost');
const key = signingKey('EC_P256');
const dayMs = 86_400_000;
const tokenSha256 = 'ab'.repeat(32);
const keys = [
  {
    keyId: sample.keys.EC_P256,
    spec: 'EC_P256' as const,
    versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem: key.privateKeyPem }],
  },
];
const keyArn = `acs:kms:${sample.region}:${sample.accountId}:key/${sample.keys.EC_P256}`;
const narrowRole = allowing(['kms:AsymmetricSign', 'kms:GetPublicKey', 'kms:DescribeKey'], keyArn);

interface SettingOptions {
  readonly acr?: Partial<AcrOptions>;
  readonly rolePolicy?: typeof narrowRole | typeof documentedRolePolicy;
  readonly trusts?: Parameters<typeof trustPolicy>[0];
  readonly keyFields?: string;
  readonly formats?: string;
  readonly notAfter?: Date;
  readonly webhookUrl?: string;
  readonly immutable?: boolean;
  readonly redisUrl?: string;
}

/** An emulated account with an instance, a key, a role and one image; and what the doctor says of it. */
async function openSetting(options: SettingOptions = {}) {
  const namespace = uniqueRepository('ns', 'x').slice(2);
  const trusted = options.trusts ?? { Service: ['cr.aliyuncs.com'], RAM: [sample.worker.arn] };
  const role = { arn: sample.roleArn, trustPolicy: trustPolicy(trusted), policies: [options.rolePolicy ?? narrowRole] };
  const setting = await startAcr({
    upstream,
    namespaces: [],
    emulator: { keys, roles: [role] },
    ...options.acr,
    instance: { namespaces: [{ name: namespace, tagImmutability: options.immutable ?? false }] },
  });
  onTestFinished(() => setting.stop());
  const { emulator, instance, workerEnvironment } = setting;
  await pushImage({ host: upstream, repository: `${namespace}/app`, tag: 'v1', kind: 'oci-manifest' });
  const certificate = await signingCertificate(key, {
    notBefore: new Date(Date.now() - 100 * dayMs),
    ...(options.notAfter && { notAfter: options.notAfter }),
  });
  const webhook = options.webhookUrl === undefined ? '' : `, url: "${options.webhookUrl}", tokenEnv: WEBHOOK_TOKEN`;
  const rules = `version: 1
registries:
  - name: prod
    host: "${instance.registry.host}"
    plainHttp: true
    acr: { instanceId: ${instance.instanceId}, region: ${sample.region}, endpoint: "${emulator.url}" }
    realms: ["${emulator.tokenService.realm}"]
    webhook: { tokenSha256: [${tokenSha256}]${webhook} }
keys:
  - name: release
    spec: EC_P256
    kms: { region: ${sample.region}, keyId: ${sample.keys.EC_P256}, keyVersionId: ${sample.keyVersionId}, roleArn: "${sample.roleArn}", endpoint: "${emulator.url}", stsEndpoint: "${emulator.url}" }
    publicKeyFile: release.pub.pem
    publicKeySha256: "${key.publicKeySha256}"
    certificateChain: release.pem
    ${options.keyFields ?? ''}
rules:
  - { name: images, registries: [prod], namespaces: { include: [${namespace}] }, key: release, algorithm: ECDSA_SHA_256, mode: minimal, formats: ${options.formats ?? '[notation]'} }
`;
  const files = { 'rules.yaml': rules, 'release.pub.pem': key.publicKeyPem, 'release.pem': certificate };
  const directory = directoryWith(files, onTestFinished);
  const doctor = async (...args: string[]) => {
    const redisUrl = options.redisUrl ?? inject('redisUrl');
    const env = { ...workerEnvironment, ...(redisUrl === '' ? {} : { AUTOSIGN_REDIS_URL: redisUrl }) };
    const result = await runCommand(['doctor', '--rules', join(directory, 'rules.yaml'), ...args], env);
    for (const secret of [...emulator.secrets, workerEnvironment['ALIBABA_CLOUD_ACCESS_KEY_SECRET'] ?? '?']) {
      expect(`${result.stdout}${result.stderr}`.includes(secret)).toBe(false);
    }
    return result;
  };
  const diagnose = async () => {
    const { code, stdout } = await doctor('--json');
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
    return { code, findings, wrong: findings.filter(({ result }) => result !== 'ok') };
  };
  return { ...setting, namespace, doctor, diagnose };
}

test('finds nothing that failed where all is in order, and says of each link what it saw', async () => {
  const { diagnose, doctor, namespace } = await openSetting();
  const { code, findings, wrong } = await diagnose();
  expect(wrong.map(({ area, detail }) => `${area}: ${detail}`)).toEqual([
    'credentials: its access key never ends',
    expect.stringMatching(/^redis: .* keeps no append-only file$/),
    expect.stringContaining('events: the webhook is on, and the rules file does not say at which address'),
  ]);
  expect(code).toBe(0);
  const details = findings.map(({ area, subject, detail }) => `${area} ${subject}: ${detail}`).join('\n');
  for (const seen of [
    'clock registry prod: agrees with this machine',
    `credentials own identity: ${sample.worker.arn}`,
    'role AliyunContainerRegistryKMSRole: can be assumed, for key release',
    'role AliyunContainerRegistryKMSRole: may not list the keys of the account',
    'key release: EC_P256, Enabled, the public key is the pinned one',
    'key release: may be used for signing (asked by DryRun)',
    'certificate release: its certificate for notation counts until',
    'refuses writes when it is full',
    `/${namespace}/app`,
    'it has no referrers API',
    'registry prod: instance emulated, Enterprise_Advanced, RUNNING',
    'no covered repository has immutable tags',
    'no lifecycle rule deletes tags',
    'no sync rule copies',
  ]) {
    expect(details).toContain(seen);
  }
  const { stdout } = await doctor();
  expect(stdout).toMatch(/^clock\n {2}ok {7}registry prod: agrees/);
  expect(stdout).toMatch(/\n0 failures, 3 warnings, \d+ ok$/);
});

describe('what is wrong at Alibaba Cloud', () => {
  test('a disabled key fails with what to do', async () => {
    const { emulator, diagnose } = await openSetting();
    emulator.setKeyState(sample.keys.EC_P256, 'Disabled');
    const { code, wrong } = await diagnose();
    expect(code).toBe(1);
    expect(wrong).toContainEqual(
      expect.objectContaining({ area: 'key', result: 'failure', next: expect.stringMatching(/nable/) }),
    );
  });

  test('a role that does not trust us fails with the statement that it lacks', async () => {
    const { diagnose } = await openSetting({ trusts: { Service: ['cr.aliyuncs.com'] } });
    const { code, wrong } = await diagnose();
    expect(code).toBe(1);
    const role = wrong.find(({ area }) => area === 'role');
    expect(role).toMatchObject({
      result: 'failure',
      detail: expect.stringContaining(`"RAM":["${sample.worker.arn}"]`),
    });
  });

  test("ACR's documented role is wider than signing needs", async () => {
    const { diagnose } = await openSetting({ rolePolicy: documentedRolePolicy });
    const { code, wrong } = await diagnose();
    expect(code, JSON.stringify(wrong)).toBe(0);
    expect(wrong).toContainEqual(
      expect.objectContaining({ area: 'role', result: 'warning', next: expect.stringContaining('ram print') }),
    );
  });

  test('a role that may not sign is found out without a signature', async () => {
    const rolePolicy = allowing(['kms:GetPublicKey', 'kms:DescribeKey'], keyArn);
    const { diagnose, emulator } = await openSetting({ rolePolicy });
    const { wrong } = await diagnose();
    expect(wrong).toContainEqual(
      expect.objectContaining({ area: 'key', result: 'failure', detail: expect.stringContaining('AsymmetricSign') }),
    );
    const signed = emulator.calls.filter(
      ({ action, query }) => action === 'AsymmetricSign' && query['DryRun'] !== 'true',
    );
    expect(signed).toEqual([]);
  });

  test('a login without the right to push fails for the registry alone', async () => {
    const policies = [allowing(['cr:Get*', 'cr:List*', 'cr:PullRepository'], '*')];
    const { diagnose } = await openSetting({ acr: { policies } });
    const { code, wrong } = await diagnose();
    expect(code).toBe(1);
    expect(wrong.filter(({ result }) => result === 'failure')).toMatchObject([{ area: 'registry', subject: 'prod' }]);
  });
});

describe('what an instance does that signatures do not survive', () => {
  test('immutable tags, a lifecycle rule and a sync rule: each with the expression to add', async () => {
    const { diagnose, call, namespace } = await openSetting({ immutable: true });
    await call('CreateArtifactLifecycleRule', {
      ...{ Scope: 'NAMESPACE', NamespaceName: namespace, EnableDeleteTag: 'true', Auto: 'true' },
      ...{ RetentionTagCount: '30', TagRegexp: '^v' },
    });
    await call('CreateRepoSyncRule', {
      ...{ SyncRuleName: 'to-shanghai', SyncScope: 'NAMESPACE', SyncTrigger: 'PASSIVE', NamespaceName: namespace },
      ...{ TagFilter: '^v.*', TargetInstanceId: 'cri-other', TargetRegionId: 'cn-shanghai', TargetNamespaceName: 'x' },
    });
    const { code, wrong } = await diagnose();
    expect(code).toBe(0);
    const details = wrong.filter(({ area }) => area === 'registry').map(({ detail, next }) => `${detail} | ${next}`);
    expect(details).toEqual([
      expect.stringContaining(`tags are immutable in ${namespace}/app`),
      expect.stringContaining('(^v)|(^sha256-[0-9a-f]{64}(\\.sig)?$)'),
      expect.stringContaining('(^v.*)|(^sha256-[0-9a-f]{64}(\\.sig)?$)'),
    ]);
  });

  test('rules that keep signature tags, or concern others, are in order', async () => {
    const { diagnose, call, namespace } = await openSetting();
    const rule = { Scope: 'NAMESPACE', EnableDeleteTag: 'true', Auto: 'true', RetentionTagCount: '30' };
    await call('CreateArtifactLifecycleRule', { ...rule, NamespaceName: namespace, TagRegexp: '^sha256-.*' });
    await call('CreateArtifactLifecycleRule', { ...rule, NamespaceName: 'others', TagRegexp: '' });
    const { wrong, findings } = await diagnose();
    expect(wrong.filter(({ area }) => area === 'registry')).toEqual([]);
    expect(findings.filter(({ detail }) => detail.includes('keeps signature tags'))).toHaveLength(1);
  });
});

describe('what is wrong at home', () => {
  test.each([
    [-1, 'failure', 'ended on'],
    [10, 'warning', 'counts until'],
  ] as const)('a certificate that ends in %i days', async (days, result, detail) => {
    const { diagnose } = await openSetting({ notAfter: new Date(Date.now() + days * dayMs) });
    const { wrong } = await diagnose();
    expect(wrong).toContainEqual(
      expect.objectContaining({ area: 'certificate', result, detail: expect.stringContaining(detail) }),
    );
  });

  test('a Redis that nobody named, and a receiver that is not there', async () => {
    const { diagnose } = await openSetting({ redisUrl: '', webhookUrl: 'http://127.0.0.1:1025' });
    const { code, wrong } = await diagnose();
    expect(code).toBe(1);
    expect(wrong).toContainEqual(expect.objectContaining({ area: 'redis', result: 'failure' }));
    expect(wrong).toContainEqual(
      expect.objectContaining({ area: 'events', result: 'failure', detail: expect.stringContaining('ECONNREFUSED') }),
    );
  });

  test('a rules file that is not valid ends with 2 before anything is asked', async () => {
    const directory = directoryWith({ 'rules.yaml': 'version: 1\nkeys: 3\n' }, onTestFinished);
    const { code, stderr } = await runCommand(['doctor', '--rules', join(directory, 'rules.yaml')]);
    expect(code).toBe(2);
    expect(stderr).toContain('rules.yaml:2');
  });
});
