import { randomBytes } from 'node:crypto';
import type { EmulatorConfig } from '../emulator/config.ts';
import { sample, sampleConfig } from '../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../emulator/start-emulator.ts';
import { signingKey } from '../support/signing-keys.ts';

/** The emulated account of a group of services; the emulator runs in this process, so a test sets its faults. */
export interface EmulatedCloud {
  readonly emulator: Emulator;
  /** The fields of a key's `kms` in the rules file, for STS and KMS at `url`: the emulator's, or a proxy's before it. */
  kmsAt(url: string): Readonly<Record<string, string>>;
  /** What makes a process the account's worker. */
  readonly workerEnvironment: Readonly<Record<string, string>>;
  /** Login of a robot that may pull from and push to `prod/*` and list all repositories. */
  readonly robot: { readonly username: string; readonly password: string };
  /** Value of the Authorization header that may pull from and push to `repository`. */
  authorizationFor(repository: string): Promise<string>;
  stop(): Promise<void>;
}

export interface EmulatedCloudOptions extends Pick<EmulatorConfig, 'lifetimeScale'> {
  /** What the worker may do; absent: assume roles. */
  readonly policies?: Policies;
  /** Roles beside that of the key. */
  readonly moreRoles?: NonNullable<EmulatorConfig['roles']>;
}

type Policies = NonNullable<NonNullable<EmulatorConfig['users']>[number]['policies']>;

/** Starts an account whose key EC_P256 is `signingKey('EC_P256')`, so that its certificate can be issued without KMS. */
export async function startEmulatedCloud(options: EmulatedCloudOptions = {}): Promise<EmulatedCloud> {
  const { policies, moreRoles = [], ...times } = options;
  const robot = { username: 'robot', password: randomBytes(24).toString('base64url') };
  const keyId = sample.keys.EC_P256;
  const { privateKeyPem } = signingKey('EC_P256');
  const { config, accessKeySecret } = sampleConfig({
    ...times,
    keys: [{ keyId, spec: 'EC_P256', versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem }] }],
    tokenService: {
      users: [{ ...robot, grants: [{ repository: 'prod/*', actions: ['pull', 'push'] }], catalog: true }],
    },
  });
  const { users = [], roles = [] } = config;
  const emulator = await startEmulator({
    ...config,
    users: users.map((user) => ({ ...user, ...(policies && { policies }) })),
    roles: [...roles, ...moreRoles],
  });
  return {
    emulator,
    kmsAt: (url) => ({
      region: sample.region,
      keyId,
      keyVersionId: sample.keyVersionId,
      roleArn: sample.roleArn,
      endpoint: url,
      stsEndpoint: url,
    }),
    workerEnvironment: {
      ALIBABA_CLOUD_ACCESS_KEY_ID: sample.worker.accessKeyId,
      ALIBABA_CLOUD_ACCESS_KEY_SECRET: accessKeySecret,
    },
    robot,
    authorizationFor: (repository) => bearerFor(emulator, robot, repository),
    stop: () => emulator.close(),
  };
}

async function bearerFor({ tokenService }: Emulator, robot: EmulatedCloud['robot'], repository: string) {
  const url = new URL(tokenService.realm);
  url.searchParams.set('service', tokenService.service);
  url.searchParams.set('scope', `repository:${repository}:pull,push`);
  const basic = Buffer.from(`${robot.username}:${robot.password}`).toString('base64');
  const answer = await fetch(url, { headers: { authorization: `Basic ${basic}` } });
  const { token } = (await answer.json()) as { readonly token: string };
  return `Bearer ${token}`;
}
