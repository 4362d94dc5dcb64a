import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { planRam } from '../../src/alibaba/ram/ram-plan.ts';
import { assumeRole } from '../../src/alibaba/sts.ts';
import { newWebhookToken } from '../../src/commands/token.ts';
import { loadRuleSet } from '../../src/rules/load-rule-set.ts';
import type { EmulatorConfig } from '../emulator/config.ts';
import { sample, trustPolicy } from '../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../emulator/start-emulator.ts';
import { signingCertificate, signingKey } from '../support/signing-keys.ts';

const clusterArn = 'acs:ram::1234567890123456:user/cluster';
const workerArn = 'acs:ram::1234567890123456:role/autosign-worker';
const signerArn = 'acs:ram::1234567890123456:role/autosign-signer';
const instanceId = 'cri-brief';
const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };

/**
 * An account in which nothing permanent reaches the service: the worker is a role, whose session a credentials URI gives
 * out as RRSA or an instance does, the key's role trusts that role, and the registry is logged in to by token. Nobody
 * has a right that `ram print` does not name.
 */
export async function startShortLived(atEnd: (end: () => Promise<unknown>) => void) {
  const directory = await mkdtemp(join(tmpdir(), 'autosign-short-lived-'));
  atEnd(() => rm(directory, { recursive: true, force: true }));
  const registryDirectory = join(directory, 'registry');
  await mkdir(registryDirectory);
  const upstream = await startDockerRegistry({ directory: registryDirectory });
  atEnd(() => upstream.stop());
  const redis = await startRedis({ appendOnly: true });
  atEnd(() => redis.stop());
  const token = newWebhookToken('prod');
  const key = signingKey('EC_P256', 'brief');
  await writeFile(join(directory, 'brief.pub.pem'), key.publicKeyPem);
  await writeFile(join(directory, 'brief-chain.pem'), await signingCertificate(key));
  const rulesFile = join(directory, 'rules.yaml');
  const writeRules = (emulator: string, host: string, realm: string) =>
    writeFile(rulesFile, JSON.stringify(rulesOf(emulator, host, realm, token.tokenSha256, key.publicKeySha256)));

  // The policies follow from the rules, whose addresses are known once the account is there.
  await writeRules('127.0.0.1:1', '127.0.0.1:1', 'http://127.0.0.1:1/auth');
  const { identities } = planRam('worker', { ruleSet: await loadRuleSet(rulesFile), identityArn: workerArn });
  const clusterSecret = randomBytes(24).toString('base64url');
  const emulator = await startEmulator({
    users: [{ accessKeyId: 'LTAI-cluster', accessKeySecret: clusterSecret, arn: clusterArn }],
    roles: identities.map(({ name: arn, policy, trustPolicy: trust }) => ({
      arn,
      trustPolicy: arn === workerArn ? trustPolicy({ RAM: [clusterArn] }) : JSON.parse(JSON.stringify(trust)),
      policies: policy === undefined ? [] : [JSON.parse(JSON.stringify(policy))],
    })),
    keys: [
      {
        keyId: sample.keys.EC_P256,
        spec: 'EC_P256',
        versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem: key.privateKeyPem }],
      },
    ],
    acr: { instances: [{ instanceId, upstream: upstream.host, namespaces: [{ name: 'prod' }, { name: 'other' }] }] },
  } satisfies EmulatorConfig);
  atEnd(() => emulator.close());
  const { registry } = emulator.acr.instance(instanceId);
  await writeRules(emulator.url, registry.host, registry.realm);
  const identity = await startCredentialsUri(emulator, clusterSecret);
  atEnd(identity.close);
  return {
    directory,
    registryDirectory,
    upstream,
    redis,
    emulator,
    registry,
    token,
    environment: {
      AUTOSIGN_RULES: rulesFile,
      AUTOSIGN_REDIS_URL: redis.url,
      AUTOSIGN_PORT: '0',
      AUTOSIGN_ADMIN_PORT: '0',
      AUTOSIGN_LOG_LEVEL: 'trace',
      HOME: directory,
    },
    workerEnvironment: {
      ALIBABA_CLOUD_CREDENTIALS_URI: identity.url,
      ALIBABA_CLOUD_ECS_METADATA_DISABLED: 'true',
    },
    /** Every secret of the run, known when it ends. */
    secrets: () => [
      { name: 'the webhook token', value: token.path.split('/').at(-1) ?? '' },
      { name: 'the secret of the cluster', value: clusterSecret },
      ...emulator.secrets.map((value, index) => ({ name: `secret ${index} of the cloud`, value })),
    ],
  };
}

function rulesOf(emulator: string, host: string, realm: string, tokenSha256: string, publicKeySha256: string) {
  const endpoint = emulator.startsWith('http://') ? emulator : `http://${emulator}`;
  const { region, accountId } = sample;
  return {
    version: 1,
    registries: [
      {
        name: 'prod',
        host,
        plainHttp: true,
        realms: [realm],
        acr: { instanceId, region, accountId, endpoint },
        webhook: { tokenSha256: [tokenSha256] },
      },
    ],
    keys: [
      {
        name: 'release',
        spec: 'EC_P256',
        kms: {
          region,
          keyId: sample.keys.EC_P256,
          keyVersionId: sample.keyVersionId,
          roleArn: signerArn,
          endpoint,
          stsEndpoint: endpoint,
        },
        publicKeyFile: 'brief.pub.pem',
        publicKeySha256,
        certificateChain: 'brief-chain.pem',
      },
    ],
    rules: [
      {
        name: 'images',
        registries: ['prod'],
        namespaces: { include: ['prod'] },
        key: 'release',
        algorithm: 'ECDSA_SHA_256',
        existing: 'sign',
      },
    ],
  };
}

/** Gives out sessions of the worker's role, as Alibaba's credentials library asks for them. */
async function startCredentialsUri(emulator: Emulator, clusterSecret: string) {
  const cluster = {
    accessKeyId: 'LTAI-cluster',
    accessKeySecret: clusterSecret,
    securityToken: undefined,
    expiration: undefined,
  };
  const role = {
    roleArn: workerArn,
    externalId: undefined,
    sessionName: 'pod',
    policy: everything,
    durationSeconds: 3600,
  };
  const server = createServer((_, response) => {
    const call = { endpoint: emulator.url, credentials: cluster, timeouts };
    void assumeRole(call, role).then(({ accessKeyId, accessKeySecret, securityToken, expiration }) =>
      response.end(
        JSON.stringify({
          Code: 'Success',
          AccessKeyId: accessKeyId,
          AccessKeySecret: accessKeySecret,
          SecurityToken: securityToken,
          Expiration: expiration?.toISOString(),
        }),
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A session policy that takes nothing away from the role. */
const everything = JSON.stringify({
  Version: '1',
  Statement: [{ Effect: 'Allow', Action: ['*'], Resource: ['*'] }],
});
