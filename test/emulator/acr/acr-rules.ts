import { randomUUID } from 'node:crypto';
import { invalidParameter, requireParameter } from '../openapi-error.ts';
import { type AcrAction, instanceOf } from './acr-call.ts';
import { stableId } from './acr-instance.ts';
import { numberedPage } from './acr-paging.ts';
import { authorizeInstance, authorizeRepositories } from './acr-ram.ts';
import { AcrRefusal } from './acr-refusal.ts';

/** What deletes tags of itself, in the OpenAPI's words. */
export interface AcrLifecycleRule {
  readonly RuleId: string;
  readonly Scope: 'INSTANCE' | 'NAMESPACE' | 'REPO';
  readonly NamespaceName: string;
  readonly RepoName: string;
  /** Tags that fit are kept. */
  readonly TagRegexp: string;
  readonly RetentionTagCount: number;
  readonly EnableDeleteTag: boolean;
  readonly Auto: boolean;
  readonly ScheduleTime: string;
}

/** What copies images to another instance, in the OpenAPI's words. */
export interface AcrSyncRule {
  readonly SyncRuleId: string;
  readonly SyncRuleName: string;
  readonly SyncScope: 'NAMESPACE' | 'REPO';
  /** INITIATIVE: by hand; PASSIVE: on each push. */
  readonly SyncTrigger: 'INITIATIVE' | 'PASSIVE';
  readonly LocalNamespaceName: string;
  readonly LocalRepoName: string;
  /** Of a NAMESPACE rule only. */
  readonly RepoNameFilter: string;
  readonly TagFilter: string;
  readonly TargetInstanceId: string;
  readonly TargetRegionId: string;
  readonly TargetNamespaceName: string;
  readonly TargetRepoName: string;
}

/** `TotalCount` is a number here. */
export const listArtifactLifecycleRule: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:ListArtifactLifecycleRule', instance);
  const enabled = call.query.get('EnableDeleteTag');
  const all = instance.lifecycleRules.filter(
    (rule) => (enabled ?? `${rule.EnableDeleteTag}`) === `${rule.EnableDeleteTag}`,
  );
  const { items, fields } = numberedPage(all, call.query);
  const times = { CreateTime: instance.createdAtMs, ModifiedTime: instance.createdAtMs };
  const Rules = items.map((rule) => ({ ...rule, ...times, InstanceId: instance.instanceId }));
  return { Rules, ...fields, TotalCount: all.length };
};

export const getArtifactLifecycleRule: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:GetArtifactLifecycleRule', instance);
  const ruleId = requireParameter(call.query, 'RuleId');
  const rule = instance.lifecycleRules.find((candidate) => candidate.RuleId === ruleId);
  if (rule === undefined) throw new AcrRefusal('RULE_NOT_EXIST');
  return { ...rule, InstanceId: instance.instanceId };
};

export const createArtifactLifecycleRule: AcrAction = (call) => {
  const { query } = call;
  const instance = instanceOf(call);
  authorizeInstance(call.identity, 'cr:CreateArtifactLifecycleRule', instance);
  const rule: AcrLifecycleRule = {
    RuleId: stableId('cralr', randomUUID()),
    Scope: oneOf(query, 'Scope', ['INSTANCE', 'NAMESPACE', 'REPO']),
    NamespaceName: query.get('NamespaceName') ?? '',
    RepoName: query.get('RepoName') ?? '',
    TagRegexp: query.get('TagRegexp') ?? '',
    RetentionTagCount: Number(query.get('RetentionTagCount') ?? 0),
    EnableDeleteTag: query.get('EnableDeleteTag') === 'true',
    Auto: requireParameter(query, 'Auto') === 'true',
    ScheduleTime: query.get('ScheduleTime') ?? '',
  };
  instance.lifecycleRules.push(rule);
  return { RuleId: rule.RuleId };
};

/** `TotalCount` is a number here. */
export const listRepoSyncRule: AcrAction = (call) => {
  const { query } = call;
  const instance = instanceOf(call);
  authorizeRepositories(call.identity, 'cr:ListSyncRule', instance);
  const all = instance.syncRules.filter(
    (rule) =>
      (query.get('NamespaceName') ?? rule.LocalNamespaceName) === rule.LocalNamespaceName &&
      (query.get('RepoName') ?? rule.LocalRepoName) === rule.LocalRepoName &&
      (query.get('TargetInstanceId') ?? rule.TargetInstanceId) === rule.TargetInstanceId &&
      (query.get('TargetRegionId') ?? rule.TargetRegionId) === rule.TargetRegionId,
  );
  const { items, fields } = numberedPage(all, query);
  const local = { LocalInstanceId: instance.instanceId, LocalRegionId: instance.region };
  const times = { CreateTime: instance.createdAtMs, ModifiedTime: instance.createdAtMs };
  const SyncRules = items.map((rule) => ({ ...rule, ...local, ...times, SyncDirection: 'FROM', CrossUser: false }));
  return { SyncRules, ...fields, TotalCount: all.length };
};

export const createRepoSyncRule: AcrAction = (call) => {
  const { query } = call;
  const instance = instanceOf(call);
  authorizeRepositories(call.identity, 'cr:CreateSyncRule', instance);
  const rule: AcrSyncRule = {
    SyncRuleId: stableId('crsr', randomUUID()),
    SyncRuleName: requireParameter(query, 'SyncRuleName'),
    SyncScope: oneOf(query, 'SyncScope', ['NAMESPACE', 'REPO']),
    SyncTrigger: oneOf(query, 'SyncTrigger', ['INITIATIVE', 'PASSIVE']),
    LocalNamespaceName: requireParameter(query, 'NamespaceName'),
    LocalRepoName: query.get('RepoName') ?? '',
    RepoNameFilter: query.get('RepoNameFilter') ?? '',
    TagFilter: requireParameter(query, 'TagFilter'),
    TargetInstanceId: requireParameter(query, 'TargetInstanceId'),
    TargetRegionId: requireParameter(query, 'TargetRegionId'),
    TargetNamespaceName: requireParameter(query, 'TargetNamespaceName'),
    TargetRepoName: query.get('TargetRepoName') ?? '',
  };
  instance.syncRules.push(rule);
  return { SyncRuleId: rule.SyncRuleId };
};

/** Nothing is ever copied here, so there are no tasks; `TotalCount` is a string again. */
export const listRepoSyncTask: AcrAction = (call) => {
  const instance = instanceOf(call);
  authorizeRepositories(call.identity, 'cr:GetRepositorySync', instance);
  const { fields } = numberedPage([], call.query);
  return { SyncTasks: [], ...fields, TotalCount: '0' };
};

function oneOf<const T extends string>(query: URLSearchParams, name: string, values: readonly T[]): T {
  const text = requireParameter(query, name);
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) throw invalidParameter(name);
  return value;
}
