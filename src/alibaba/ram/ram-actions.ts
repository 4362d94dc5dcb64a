import { keyActions } from '../key-session-policy.ts';

// What each part of the service does at Alibaba Cloud, as RAM names it. Actions are not always named after the operation
// that they allow, nor are resources always as narrow as they could be: see each operation's page, "Authorization
// information" (https://www.alibabacloud.com/help/en/acr/developer-reference/api-cr-2018-12-01-overview).

/** What an action of Container Registry is allowed on. */
export type AcrResource =
  /** All resources; a policy that names anything narrower does not grant the action. */
  | 'everything'
  | 'instance'
  /** The instance's repositories as a whole. */
  | 'repositories'
  /** The repositories of the namespaces that rules sign or watch. */
  | 'covered'
  /** Those of the namespaces that rules sign. */
  | 'signed';

export type AcrRights = Readonly<Record<string, AcrResource>>;

/** ListNamespace, ListRepository, GetRepository, ListRepoTag: walks over what stands. */
const listing = {
  'cr:ListNamespace': 'repositories',
  'cr:ListRepository': 'covered',
  'cr:GetRepository': 'covered',
  'cr:ListRepositoryTag': 'everything',
} as const satisfies AcrRights;

/** `work`, `backfill`, `reconcile`: log in, read images, walk, push signatures. */
export const workerActions: AcrRights = {
  'cr:GetAuthorizationToken': 'everything',
  ...listing,
  'cr:PullRepository': 'covered',
  'cr:PushRepository': 'signed',
};

/** `triggers sync`: CreateRepoTrigger and its like are named after webhooks. */
export const triggerActions: AcrRights = {
  'cr:ListNamespace': 'repositories',
  'cr:ListRepository': 'covered',
  'cr:ListWebHook': 'everything',
  'cr:CreateWebHook': 'covered',
  'cr:UpdateWebHook': 'covered',
  'cr:DeleteWebHook': 'covered',
};

/** `verify`, `status`, `triggers sync --dry-run` and what `doctor` asks an instance. */
export const readOnlyActions: AcrRights = {
  'cr:GetAuthorizationToken': 'everything',
  'cr:PullRepository': 'covered',
  ...listing,
  'cr:GetInstance': 'instance',
  'cr:ListArtifactLifecycleRule': 'instance',
  'cr:ListSyncRule': 'repositories',
  'cr:ListWebHook': 'everything',
};

/** What a signer's role does with its key. */
export const signerActions: readonly string[] = keyActions;
