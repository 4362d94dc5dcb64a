import { startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { callOpenApi } from '../../src/alibaba/call-openapi.ts';
import type { StsCredentials } from '../../src/alibaba/sts-credentials.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { RegistryCredentials } from '../../src/ports/registry-login.ts';
import type { EmulatedInstance } from '../emulator/acr/acr.ts';
import type { AcrInstanceConfig } from '../emulator/acr/acr-config.ts';
import type { EmulatorConfig } from '../emulator/config.ts';
import { sample, sampleConfig } from '../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../emulator/start-emulator.ts';

const acrInstanceId = 'cri-emulated';

export interface AcrOptions {
  /** The real registry behind the instance, `127.0.0.1:PORT`. Absent: a docker-registry of its own. */
  readonly upstream?: string | undefined;
  /** Names of the instance's namespaces; on a registry that is shared, names of your own keep others' repositories away. */
  readonly namespaces: readonly string[];
  readonly instance?: Partial<AcrInstanceConfig>;
  /** What the worker may do besides assuming roles. Absent: everything in ACR. */
  readonly policies?: readonly Policy[];
  readonly emulator?: Partial<EmulatorConfig>;
  readonly clock?: Clock;
}

type Policy = NonNullable<NonNullable<EmulatorConfig['users']>[number]['policies']>[number];

/** An emulated account with one instance of ACR in front of a real registry. */
export interface AcrSetting extends AsyncDisposable {
  readonly emulator: Emulator;
  readonly instance: EmulatedInstance;
  /** Keys of the account's worker. */
  readonly credentials: StsCredentials;
  /** What makes a process the account's worker. */
  readonly workerEnvironment: Readonly<Record<string, string>>;
  /** Calls an action of ACR's OpenAPI, the instance's id added to the parameters. */
  call(action: string, query?: Readonly<Record<string, string>>, credentials?: StsCredentials): Promise<AcrAnswer>;
  /** A login at the instance's registry, by GetAuthorizationToken. */
  login(credentials?: StsCredentials): Promise<RegistryCredentials>;
  stop(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
type AcrAnswer = Record<string, any>;

const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };

/** A policy with one statement that allows `actions` on `resources`. */
export function allowing(actions: string | string[], resources: string | string[]): Policy {
  return { Version: '1', Statement: [{ Effect: 'Allow', Action: actions, Resource: resources }] };
}

/** Starts registry, emulator and the instance's own registry together; `stop` ends all of them. */
export async function startAcr(options: AcrOptions): Promise<AcrSetting> {
  const own = options.upstream === undefined ? await startDockerRegistry() : undefined;
  const policies = [allowing('sts:AssumeRole', '*'), ...(options.policies ?? [allowing('cr:*', '*')])];
  // Making RSA keys takes long.
  const keys = [
    { keyId: sample.keys.EC_P256, spec: 'EC_P256' as const, versions: [{ keyVersionId: sample.keyVersionId }] },
  ];
  const { config, accessKeySecret } = sampleConfig({ keys, ...options.emulator });
  const users = [{ ...sample.worker, accessKeySecret, policies }];
  const emulator = await startEmulator({ ...config, users }, options.clock);
  const instance = await emulator.acr.addInstance({
    instanceId: acrInstanceId,
    upstream: options.upstream ?? own?.host ?? '',
    namespaces: options.namespaces.map((name) => ({ name })),
    ...options.instance,
  });
  const stop = async (): Promise<void> => {
    await emulator.close();
    await own?.stop();
  };
  const { accessKeyId } = sample.worker;
  const worker: StsCredentials = { accessKeyId, accessKeySecret, securityToken: undefined, expiration: undefined };
  const call: AcrSetting['call'] = async (action, query = {}, credentials = worker) => {
    const InstanceId = instance.instanceId;
    const asked = { endpoint: emulator.url, action, version: '2018-12-01', query: { InstanceId, ...query } };
    return (await callOpenApi({ ...asked, credentials, timeouts })) as AcrAnswer;
  };
  return {
    emulator,
    instance,
    credentials: worker,
    workerEnvironment: {
      ALIBABA_CLOUD_ACCESS_KEY_ID: accessKeyId,
      ALIBABA_CLOUD_ACCESS_KEY_SECRET: accessKeySecret,
    },
    call,
    async login(credentials) {
      const { TempUsername, AuthorizationToken } = await call('GetAuthorizationToken', {}, credentials);
      return { username: TempUsername, password: AuthorizationToken };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
