import type { Clock } from '../../../src/ports/clock.ts';
import type { CheckedConfig } from '../config.ts';
import { OpenApiError } from '../openapi-error.ts';
import type { Product } from '../product.ts';
import type { TokenService } from '../token-service.ts';
import type { AcrAction, AcrContext } from './acr-call.ts';
import { AcrInstanceConfig } from './acr-config.ts';
import { type AcrInstance, createAcrInstance } from './acr-instance.ts';
import {
  getInstance,
  getInstanceEndpoint,
  getInstanceVpcEndpoint,
  listInstance,
  listInstanceEndpoint,
} from './acr-instances.ts';
import { getAuthorizationToken } from './acr-login.ts';
import type { AcrLogins } from './acr-logins.ts';
import { AcrRefusal } from './acr-refusal.ts';
import { getNamespace, getRepository, listNamespace, listRepository } from './acr-repositories.ts';
import {
  createArtifactLifecycleRule,
  createRepoSyncRule,
  getArtifactLifecycleRule,
  listArtifactLifecycleRule,
  listRepoSyncRule,
  listRepoSyncTask,
} from './acr-rules.ts';
import { deleteRepoTag, getRepoTag, listRepoTag } from './acr-tags.ts';
import { createRepoTrigger, deleteRepoTrigger, listRepoTrigger, updateRepoTrigger } from './acr-triggers.ts';
import { type RegistryProxy, startRegistryProxy } from './registry-proxy.ts';

/** What goes wrong in ACR's OpenAPI; may be set while the emulator runs. */
interface AcrFaults {
  /** That many calls are answered with status 200, `IsSuccess` false and this code. */
  failInsideNext: { count: number; readonly code: string; readonly action?: string | undefined } | undefined;
}

/** An instance and the registry that clients see. */
export interface EmulatedInstance extends AcrInstance {
  readonly registry: RegistryProxy;
}

/** ACR, for tests to fill, to disturb and to look into. */
export interface EmulatedAcr {
  readonly faults: AcrFaults;
  /** Starts an instance's registry in front of a real one. */
  addInstance(config: AcrInstanceConfig): Promise<EmulatedInstance>;
  instance(instanceId: string): EmulatedInstance;
  instances(): readonly EmulatedInstance[];
  /** Ends every login that GetAuthorizationToken gave out. */
  expireLogins(): void;
  /** Ends every bearer token that was given out, for the emulated registries. */
  expireTokens(): void;
}

interface AcrParts {
  readonly config: CheckedConfig;
  readonly clock: Clock;
  readonly logins: AcrLogins;
  readonly tokenService: TokenService;
  /** To be added to. */
  readonly instances: Map<string, EmulatedInstance>;
  /** The URL of `/auth`, once the emulator listens. */
  readonly realm: () => string;
}

const actions: Readonly<Record<string, AcrAction>> = {
  GetAuthorizationToken: getAuthorizationToken,
  GetInstance: getInstance,
  ListInstance: listInstance,
  GetInstanceEndpoint: getInstanceEndpoint,
  ListInstanceEndpoint: listInstanceEndpoint,
  GetInstanceVpcEndpoint: getInstanceVpcEndpoint,
  GetNamespace: getNamespace,
  ListNamespace: listNamespace,
  GetRepository: getRepository,
  ListRepository: listRepository,
  GetRepoTag: getRepoTag,
  ListRepoTag: listRepoTag,
  DeleteRepoTag: deleteRepoTag,
  CreateRepoTrigger: createRepoTrigger,
  ListRepoTrigger: listRepoTrigger,
  UpdateRepoTrigger: updateRepoTrigger,
  DeleteRepoTrigger: deleteRepoTrigger,
  CreateArtifactLifecycleRule: createArtifactLifecycleRule,
  GetArtifactLifecycleRule: getArtifactLifecycleRule,
  ListArtifactLifecycleRule: listArtifactLifecycleRule,
  CreateRepoSyncRule: createRepoSyncRule,
  ListRepoSyncRule: listRepoSyncRule,
  ListRepoSyncTask: listRepoSyncTask,
};

/** ACR 2018-12-01 as a product of the emulated account, and what tests do with it. */
export function createAcr(parts: AcrParts): { product: Product; acr: EmulatedAcr; close(): Promise<void> } {
  const { config, clock, logins, tokenService, instances, realm } = parts;
  const faults: AcrFaults = { failInsideNext: undefined };
  const context: AcrContext = { config, clock, logins, instances };
  const acr: EmulatedAcr = {
    faults,
    async addInstance(written) {
      const checked = AcrInstanceConfig.parse(written);
      const { region } = config;
      const accountId = checked.accountId ?? config.accountId;
      const instance = createAcrInstance({ config: checked, accountId, region, clock });
      const registry = await startRegistryProxy({ instance, tokenService, realm: realm() });
      const emulated = { ...instance, registry };
      instances.set(instance.instanceId, emulated);
      return emulated;
    },
    instance(instanceId) {
      const instance = instances.get(instanceId);
      if (instance === undefined) throw new Error(`the emulator has no instance ${instanceId}`);
      return instance;
    },
    instances: () => [...instances.values()],
    expireLogins: () => logins.expireAll(),
    expireTokens: () => tokenService.expireTokens(),
  };
  return {
    acr,
    product: (action, query, identity) => answer(action, faults, () => actions[action]?.({ context, query, identity })),
    close: async () => {
      await Promise.all([...instances.values()].map(({ registry }) => registry.close()));
    },
  };
}

async function answer(
  action: string,
  faults: AcrFaults,
  act: () => ReturnType<AcrAction> | undefined,
): Promise<Record<string, unknown>> {
  try {
    failInside(faults, action);
    const said = await act();
    if (said === undefined)
      throw new OpenApiError(404, 'InvalidAction.NotFound', `Specified api is not found: ${action}`);
    return { Code: 'success', IsSuccess: true, ...said };
  } catch (error) {
    if (!(error instanceof AcrRefusal)) throw error;
    return { Code: error.code, IsSuccess: false };
  }
}

function failInside({ failInsideNext: failure }: AcrFaults, action: string): void {
  if (failure === undefined || failure.count <= 0 || (failure.action ?? action) !== action) return;
  failure.count -= 1;
  throw new AcrRefusal(failure.code);
}
