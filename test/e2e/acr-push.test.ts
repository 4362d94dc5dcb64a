import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { runAutosign, startAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { sample } from '../emulator/sample-config.ts';
import { uniqueRepository } from '../support/names.ts';
import { signingKey } from '../support/signing-keys.ts';
import { type AcrSetting, startAcr } from '../support/start-acr.ts';
import { waitUntil } from './wait-until.ts';

const key = signingKey('EC_P256');
const token = randomBytes(32).toString('base64url');

// `autosign up` knows the instance of ACR alone: it asks for its login, is called by a trigger of the repository, signs with
// a key in KMS, and pushes the signature through a registry that takes ACR's bearer tokens only.
test('a push to an instance of ACR calls its trigger and is signed', async () => {
  const namespace = uniqueRepository('ns', 'x').slice(2);
  const repository = `${namespace}/team/app`;
  const versions = [{ keyVersionId: sample.keyVersionId, privateKeyPem: key.privateKeyPem }];
  const keys = [{ keyId: sample.keys.EC_P256, spec: 'EC_P256' as const, versions }];
  const setting = await startAcr({ upstream: inject('fallbackHost'), namespaces: [namespace], emulator: { keys } });
  onTestFinished(() => setting.stop());
  const { registry } = setting.instance;
  await push(setting, repository, 'v0');
  const { environment, receiver } = await startService(setting, namespace);

  const RepoId = setting.instance.describe(repository).repoId;
  const TriggerUrl = `${receiver}/webhooks/acr/prod/${token}`;
  await setting.call('CreateRepoTrigger', {
    RepoId,
    TriggerName: 'ours',
    TriggerUrl,
    TriggerType: 'ALL',
    TriggerTag: '*',
  });
  const { digest } = await push(setting, repository, 'v1');

  const signatureTag = `${digest.replace(':', '-')}.sig`;
  const tags = async (): Promise<string[]> => {
    const { Images } = await setting.call('ListRepoTag', { RepoId, PageSize: '100' });
    return Images.map((image: { Tag: string }) => image.Tag);
  };
  await waitUntil(tags, (names) => names.includes(signatureTag), 40_000);
  const reference = `${registry.host}/${repository}:v1`;
  const verified = await runAutosign({ args: ['verify', reference, '--json'], env: environment });
  expect(JSON.parse(verified)).toMatchObject({ verdict: 'valid' });
  // The signature's own tag calls the trigger too, and is not signed.
  await waitUntil(
    async () => registry.deliveries,
    (made) => made.length === 2,
    20_000,
  );
  expect(registry.deliveries).toMatchObject([
    { tag: 'v1', status: 202 },
    { tag: signatureTag, status: 202 },
  ]);
  expect(await tags()).toEqual([signatureTag, 'v0', 'v1'].sort());
  expect(registry.storage.leaks).toEqual([]);
});

async function push(setting: AcrSetting, repository: string, tag: string) {
  const { registry, service } = setting.instance;
  const login = await setting.login();
  const query = new URLSearchParams({ service, scope: `repository:${repository}:pull,push` });
  const basic = Buffer.from(`${login?.username}:${login?.password}`).toString('base64');
  const answer = await fetch(`${registry.realm}?${query}`, { headers: { authorization: `Basic ${basic}` } });
  const authorization = `Bearer ${((await answer.json()) as { token: string }).token}`;
  return await pushImage({ host: registry.host, repository, tag, kind: 'oci-manifest', authorization });
}

async function startService(setting: AcrSetting, namespace: string) {
  const directory = await mkdtemp(join(tmpdir(), 'autosign-acr-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'release.pub.pem'), key.publicKeyPem);
  await writeFile(join(directory, 'rules.yaml'), rulesText(setting, namespace));
  const environment = {
    AUTOSIGN_RULES: join(directory, 'rules.yaml'),
    AUTOSIGN_STATE_DIR: join(directory, 'state'),
    AUTOSIGN_PORT: '0',
    AUTOSIGN_ADMIN_PORT: '0',
    ...setting.workerEnvironment,
  };
  const up = await startAutosign({ args: ['up'], env: environment });
  onTestFinished(() => up.stop().then(() => {}));
  const lineWith = async (text: string) => JSON.parse(await up.waitForLine((line) => line.includes(text), 60_000));
  const { address } = await lineWith('"receiver listens"');
  const { admin } = await lineWith('"worker takes jobs"');
  const readiness = async () =>
    (await (await fetch(`${admin}/readyz`)).json()) as { ready: boolean; preparing: unknown[] };
  await waitUntil(readiness, ({ ready, preparing }) => ready && preparing.length === 0, 40_000);
  return { environment, receiver: String(address) };
}

function rulesText({ emulator, instance }: AcrSetting, namespace: string): string {
  return `version: 1
registries:
  - name: prod
    host: "${instance.registry.host}"
    plainHttp: true
    realms: ["${instance.registry.realm}"]
    acr: { instanceId: ${instance.instanceId}, region: ${emulator.region}, endpoint: "${emulator.url}" }
    webhook: { tokenSha256: ["${createHash('sha256').update(token).digest('hex')}"] }
keys:
  - name: release
    spec: EC_P256
    kms:
      region: ${emulator.region}
      keyId: ${sample.keys.EC_P256}
      keyVersionId: ${sample.keyVersionId}
      roleArn: "${sample.roleArn}"
      endpoint: "${emulator.url}"
      stsEndpoint: "${emulator.url}"
    publicKeyFile: release.pub.pem
    publicKeySha256: ${key.publicKeySha256}
rules:
  - name: all
    registries: [prod]
    namespaces: { include: [${namespace}] }
    mode: minimal
    key: release
    algorithm: ECDSA_SHA_256
    formats: [cosign]
`;
}
