import type { RegistryProxy } from '../emulator/acr/registry-proxy.ts';
import { sample, trustPolicy } from '../emulator/sample-config.ts';
import type { Emulator } from '../emulator/start-emulator.ts';
import { allowing } from '../support/start-acr.ts';
import type { ChaosSettingOptions } from './chaos-setting.ts';
import { type EmulatedCloud, startEmulatedCloud } from './emulated-cloud.ts';

/** The emulated account of a group of services that knows its registries by ACR alone. */
export interface EmulatedAcr {
  readonly emulator: Emulator;
  /** The registries of its instances, as the services see them. */
  readonly registries: readonly RegistryProxy[];
  /** What makes a group of services use it. */
  readonly options: Required<Pick<ChaosSettingOptions, 'kms' | 'workerEnvironment' | 'front'>>;
  stop(): Promise<void>;
}

const registryRole = `acs:ram::${sample.accountId}:role/autosign-registry`;

// A worker does without a secret in its last minute, so an hour becomes 72 s, of which it uses 12; a bearer token lives 12.
const lifetimeScale = 0.02;

/**
 * Starts an account that puts an instance of ACR in front of each registry of a setting. One is logged in to by the
 * worker itself, the other one by a role. Sessions, logins and tokens are renewed every few seconds.
 */
export async function startEmulatedAcr(): Promise<EmulatedAcr> {
  const cloud = await startEmulatedCloud({
    lifetimeScale,
    policies: [allowing(['sts:AssumeRole', 'cr:*'], '*')],
    moreRoles: [
      {
        arn: registryRole,
        trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }),
        policies: [allowing('cr:*', '*')],
      },
    ],
  });
  const { emulator } = cloud;
  const registries: RegistryProxy[] = [];
  return {
    emulator,
    registries,
    options: {
      kms: cloud.kmsAt(emulator.url),
      workerEnvironment: cloud.workerEnvironment,
      front: async (name, upstream) => {
        const { registry, fields } = await addInstance(cloud, name, upstream);
        registries.push(registry);
        return { host: registry.host, acr: { fields, realm: registry.realm } };
      },
    },
    stop: () => cloud.stop(),
  };
}

async function addInstance({ emulator }: EmulatedCloud, name: string, upstream: string) {
  const instanceId = `cri-${name}`;
  const { registry } = await emulator.acr.addInstance({ instanceId, upstream, namespaces: [{ name: 'prod' }] });
  const { region, url } = emulator;
  const role = name === 'fallback' ? { roleArn: registryRole, stsEndpoint: url } : {};
  return { registry, fields: { instanceId, region, endpoint: url, ...role } };
}
