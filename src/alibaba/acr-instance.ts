import { z } from 'zod';
import type { AcrApi } from './acr-api.ts';
import { flag, text } from './acr-fields.ts';
import { listAll } from './acr-pages.ts';

/** An Enterprise Edition instance. */
export interface AcrInstance {
  /** `cri-…` */
  readonly id: string;
  readonly name: string;
  /** `Enterprise_Basic`, `Enterprise_Standard` or `Enterprise_Advanced`. */
  readonly specification: string;
  /** `RUNNING` when it is to be used. */
  readonly status: string;
}

/** One of the ways to reach an instance. */
export interface AcrEndpoint {
  /** `internet` or `vpc`. */
  readonly type: string;
  readonly isEnabled: boolean;
  /** `RUNNING` when it is to be used. */
  readonly status: string;
  /** Whether only listed addresses may use it. */
  readonly isRestricted: boolean;
  /** Host names, the instance's own and those of users. */
  readonly domains: readonly string[];
}

const Instance = z
  .object({ InstanceId: z.string().min(1), InstanceName: text, InstanceSpecification: text, InstanceStatus: text })
  .transform(
    (answer): AcrInstance => ({
      id: answer.InstanceId,
      name: answer.InstanceName,
      specification: answer.InstanceSpecification,
      status: answer.InstanceStatus,
    }),
  );

const Domains = z.array(z.object({ Domain: z.string().min(1) })).nullish();
const Endpoint = z.object({ EndpointType: text, Enable: flag, Status: text, AclEnable: flag, Domains }).transform(
  (answer): AcrEndpoint => ({
    type: answer.EndpointType,
    isEnabled: answer.Enable,
    status: answer.Status,
    isRestricted: answer.AclEnable,
    domains: (answer.Domains ?? []).map(({ Domain }) => Domain),
  }),
);
const EndpointList = z.object({ Endpoints: z.array(Endpoint).nullish() }).transform(({ Endpoints }) => Endpoints ?? []);

/** The instance itself. Throws as `AcrApi.call`. */
export function getInstance(api: AcrApi): Promise<AcrInstance> {
  return api.call('GetInstance', Instance);
}

/** Every instance of the account in the region. Throws as `listAll`. */
export function listInstances(api: AcrApi): AsyncIterable<AcrInstance> {
  return listAll(api, { action: 'ListInstance', field: 'Instances', item: Instance, keyOf: ({ id }) => id });
}

/** The ways to reach the registry of the instance; the list has one page. Throws as `AcrApi.call`. */
export function listEndpoints(api: AcrApi): Promise<readonly AcrEndpoint[]> {
  return api.call('ListInstanceEndpoint', EndpointList, { query: { ModuleName: 'Registry' } });
}
