import { invalidParameter, requireParameter } from '../openapi-error.ts';
import { type AcrAction, instanceOf } from './acr-call.ts';
import type { AcrInstance } from './acr-instance.ts';
import { numberedPage } from './acr-paging.ts';
import { authorizeEverywhere, authorizeInstance } from './acr-ram.ts';

export const getInstance: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:GetInstance', instance);
  return describe(instance);
};

/** Times are strings here, and numbers in GetInstance. */
export const listInstance: AcrAction = ({ context, query, identity }) => {
  authorizeEverywhere(identity, 'cr:ListInstance');
  const status = query.get('InstanceStatus');
  const all = [...context.instances.values()].filter(
    ({ accountId, config }) => accountId === identity.accountId && (status ?? config.status) === config.status,
  );
  const { items, fields } = numberedPage(all, query);
  const Instances = items.map((instance) => {
    const { CreateTime, ModifiedTime, ...rest } = describe(instance);
    return { ...rest, CreateTime: `${CreateTime}`, ModifiedTime: `${ModifiedTime}`, RegionId: instance.region };
  });
  return { Instances, ...fields, TotalCount: all.length };
};

export const getInstanceEndpoint: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:GetInstanceEndpoint', instance);
  if (requireParameter(call.query, 'EndpointType') !== 'internet') throw invalidParameter('EndpointType');
  return internetEndpoint(instance);
};

export const listInstanceEndpoint: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:ListInstanceEndpoint', instance);
  const Endpoints = [
    { EndpointType: 'internet', ...internetEndpoint(instance), LinkedVpcs: [] },
    {
      EndpointType: 'vpc',
      Enable: true,
      Status: 'RUNNING',
      AclEnable: false,
      AclEntries: [],
      Domains: [{ Domain: vpcDomain(instance), Type: 'SYSTEM' }],
      LinkedVpcs: [{ VpcId: linkedVpc.VpcId }],
    },
  ];
  return { Endpoints };
};

/** Domains are mere strings here, and objects in the two others. */
export const getInstanceVpcEndpoint: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:GetInstanceVpcEndpoint', instance);
  return { Enable: true, Domains: [vpcDomain(instance)], LinkedVpcs: [linkedVpc], ModuleName: 'Registry' };
};

const linkedVpc = {
  VpcId: 'vpc-emulated',
  VswitchId: 'vsw-emulated',
  Ip: '192.168.0.10',
  Status: 'RUNNING',
  DefaultAccess: true,
};

function describe({ instanceId, config, createdAtMs }: AcrInstance) {
  return {
    InstanceId: instanceId,
    InstanceName: config.name,
    InstanceSpecification: config.specification,
    InstanceStatus: config.status,
    InstanceIssue: '',
    CreateTime: createdAtMs,
    ModifiedTime: createdAtMs,
    ResourceGroupId: 'rg-emulated',
    Tags: [],
  };
}

function internetEndpoint({ config, region }: AcrInstance) {
  return {
    Enable: true,
    Status: 'RUNNING',
    AclEnable: true,
    AclEntries: [{ Entry: '127.0.0.1/32', Comment: '' }],
    Domains: [{ Domain: `${config.name}-registry.${region}.cr.aliyuncs.com`, Type: 'SYSTEM' }],
  };
}

function vpcDomain({ config, region }: AcrInstance): string {
  return `${config.name}-registry-vpc.${region}.cr.aliyuncs.com`;
}
