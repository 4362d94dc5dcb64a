import { authorize, type Identity } from '../identities.ts';
import { allows } from '../policy.ts';
import type { AcrInstance } from './acr-instance.ts';

// Actions are not always named after their operation, and resources are not always as narrow as they could be. The
// comments say what Alibaba's pages document ("RAM authorization information" and each operation's "Authorization
// information", https://www.alibabacloud.com/help/en/acr/developer-reference/api-cr-2018-12-01-overview) and what is
// inferred here.

/** The `Code` of a refusal by RAM that each operation's page documents, with HTTP status 403. */
const refused = 'NoPrivilege';

/**
 * Documented on all resources: cr:GetAuthorizationToken, cr:ListWebHook (ListRepoTrigger) and, on the page of
 * ListRepoTag, cr:ListRepositoryTag; a policy that names anything narrower does not grant them. Inferred: cr:ListInstance.
 */
export function authorizeEverywhere(identity: Identity, action: string): void {
  authorize(identity, action, '*', refused);
}

/**
 * Documented on an instance: the lifecycle rules' actions. Inferred: cr:GetInstance, cr:GetInstanceEndpoint,
 * cr:ListInstanceEndpoint and cr:GetInstanceVpcEndpoint, from the resource's own line in the table of resources.
 */
export function authorizeInstance(identity: Identity, action: string, instance: AcrInstance): void {
  authorize(identity, action, arn(instance, `instance/${instance.instanceId}`), refused);
}

/**
 * Documented on all repositories of an instance, written without a trailing star: cr:CreateSyncRule, cr:ListSyncRule,
 * cr:GetRepositorySync (ListRepoSyncTask), cr:CreateNamespace and, on the page of GetRepoTag, cr:ListRepositoryTag.
 * Inferred: cr:ListNamespace.
 */
export function authorizeRepositories(identity: Identity, action: string, instance: AcrInstance): void {
  authorize(identity, action, arn(instance, `repository/${instance.instanceId}`), refused);
}

/**
 * Documented on `repository/<instance>/<namespace>/*`: cr:ListRepository. Inferred: a request that names no namespace is
 * checked against `repository/<instance>/*`. On `repository/<instance>/<namespace>`, inferred: cr:GetNamespace.
 */
export function authorizeBelow(identity: Identity, action: string, instance: AcrInstance, path: string): void {
  authorize(identity, action, arn(instance, `repository/${instance.instanceId}/${path}`), refused);
}

/**
 * Documented on one repository: cr:CreateWebHook, cr:UpdateWebHook and cr:DeleteWebHook (the triggers' actions).
 * Inferred: cr:GetRepository.
 */
export function authorizeRepository(
  identity: Identity,
  action: string,
  instance: AcrInstance,
  repository: string,
): void {
  authorizeBelow(identity, action, instance, repository);
}

/** The rights at the registry itself. Inferred: cr:DeleteRepositoryTag. */
const dataActions: ReadonlyMap<string, string> = new Map([
  ['pull', 'cr:PullRepository'],
  ['push', 'cr:PushRepository'],
  ['delete', 'cr:DeleteRepositoryTag'],
]);

/**
 * Whether RAM lets `identity` do this with the repository's images; cr:PullRepository and cr:PushRepository are documented.
 * @param scopeAction as a token's scope names it
 */
export function mayAccess(identity: Identity, scopeAction: string, instance: AcrInstance, repository: string): boolean {
  const action = dataActions.get(scopeAction);
  if (action === undefined) return false;
  const resource = arn(instance, `repository/${instance.instanceId}/${repository}`);
  return identity.policySets.every((policies) => allows(policies, action, resource));
}

function arn(instance: AcrInstance, rest: string): string {
  return `acs:cr:${instance.region}:${instance.accountId}:${rest}`;
}
