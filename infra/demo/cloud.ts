import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startProcess } from '../processes/start-process.ts';

/** What the emulator of Alibaba Cloud says of itself when it listens. */
export interface EmulatedCloud {
  /** Endpoint of STS and KMS. */
  readonly url: string;
  readonly tokenService: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly rootCertificatePem: string;
  };
  /** Environment of a process that is the account's worker. */
  readonly workerEnvironment: Readonly<Record<string, string>>;
  /** Login of a robot that may pull and push `prod/*` and list all repositories. */
  readonly robot: { readonly username: string; readonly password: string };
  stop(): Promise<void>;
}

/** Names in the emulated account. */
export const account = {
  region: 'cn-hangzhou',
  roleArn: 'acs:ram::1234567890123456:role/AliyunContainerRegistryKMSRole',
  keys: { RSA_2048: 'key-hzz-demo-rsa', EC_P256: 'key-hzz-demo-p256' },
  keyVersionId: 'c1f6cd1a-demo',
} as const;

const accountId = '1234567890123456';
const workerArn = `acs:ram::${accountId}:user/autosign-worker`;
const startTimeoutMs = 30_000;
const emulator = join(import.meta.dirname, '../../test/emulator/main.ts');

/**
 * Starts the emulator in a process of its own: ACR's documented role, which trusts the worker too, a key of each spec
 * that notation takes, and the registry's token service. Its secrets are new each time.
 */
export async function startEmulatedCloud(): Promise<EmulatedCloud> {
  const worker = { accessKeyId: 'LTAI-demo-worker', accessKeySecret: secret(), arn: workerArn };
  const robot = { username: 'robot', password: secret() };
  const started = await startProcess({
    command: process.execPath,
    args: [emulator, '--config', '-', '--json'],
    timeoutMs: startTimeoutMs,
  });
  started.write(`${JSON.stringify(configOf(worker, robot))}\n`);
  started.endInput();
  const line = await started.waitForLine((text) => text.startsWith('{"url"'), startTimeoutMs);
  const { url, tokenService } = JSON.parse(line) as Pick<EmulatedCloud, 'url' | 'tokenService'>;
  return {
    url,
    tokenService,
    workerEnvironment: {
      ALIBABA_CLOUD_ACCESS_KEY_ID: worker.accessKeyId,
      ALIBABA_CLOUD_ACCESS_KEY_SECRET: worker.accessKeySecret,
    },
    robot,
    stop: async () => {
      await started.stop();
    },
  };
}

function configOf(worker: object, robot: object) {
  return {
    region: account.region,
    accountId,
    users: [worker],
    roles: [
      {
        arn: account.roleArn,
        trustPolicy: {
          Version: '1',
          Statement: [
            {
              Effect: 'Allow',
              Action: 'sts:AssumeRole',
              Principal: { Service: ['cr.aliyuncs.com'], RAM: [workerArn] },
            },
          ],
        },
        policies: [
          {
            Version: '1',
            Statement: [{ Effect: 'Allow', Action: ['kms:*'], Resource: `acs:kms:${account.region}:${accountId}:*` }],
          },
        ],
      },
    ],
    keys: Object.entries(account.keys).map(([spec, keyId]) => ({
      keyId,
      spec,
      versions: [{ keyVersionId: account.keyVersionId }],
    })),
    tokenService: {
      users: [{ ...robot, grants: [{ repository: 'prod/*', actions: ['pull', 'push'] }], catalog: true }],
    },
  };
}

function secret(): string {
  return randomBytes(24).toString('base64url');
}
