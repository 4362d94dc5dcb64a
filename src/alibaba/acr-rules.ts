import { z } from 'zod';
import type { AcrApi } from './acr-api.ts';
import { count, flag, text } from './acr-fields.ts';
import { listAll } from './acr-pages.ts';

/** What ACR deletes by itself: tags of a scope, all but the newest ones. */
export interface AcrLifecycleRule {
  readonly id: string;
  /** `INSTANCE`, `NAMESPACE` or `REPO`. */
  readonly scope: string;
  readonly namespace: string;
  readonly repository: string;
  readonly deletesTags: boolean;
  /** How many of the tags are kept. */
  readonly keptTags: number | undefined;
  /** A regular expression of the tags that it never deletes, as the console explains it; empty for none. */
  readonly keptTagsPattern: string;
  /** Whether it runs by a schedule. */
  readonly isAutomatic: boolean;
}

/** What ACR copies to another instance by itself. */
export interface AcrSyncRule {
  readonly id: string;
  readonly name: string;
  /** `FROM` this instance to another, or `TO` this one. */
  readonly direction: string;
  /** `NAMESPACE` or `REPO`. */
  readonly scope: string;
  readonly namespace: string;
  readonly repository: string;
  /** A regular expression of the tags that are copied. */
  readonly tagPattern: string;
  readonly targetInstanceId: string;
  readonly targetRegion: string;
}

const LifecycleRule = z
  .object({
    RuleId: z.string().min(1),
    Scope: text,
    NamespaceName: text,
    RepoName: text,
    EnableDeleteTag: flag,
    RetentionTagCount: count.nullish(),
    TagRegexp: text,
    Auto: flag,
  })
  .transform(
    (answer): AcrLifecycleRule => ({
      id: answer.RuleId,
      scope: answer.Scope,
      namespace: answer.NamespaceName,
      repository: answer.RepoName,
      deletesTags: answer.EnableDeleteTag,
      keptTags: answer.RetentionTagCount ?? undefined,
      keptTagsPattern: answer.TagRegexp,
      isAutomatic: answer.Auto,
    }),
  );

const SyncRule = z
  .object({
    SyncRuleId: z.string().min(1),
    SyncRuleName: text,
    SyncDirection: text,
    SyncScope: text,
    LocalNamespaceName: text,
    LocalRepoName: text,
    TagFilter: text,
    TargetInstanceId: text,
    TargetRegionId: text,
  })
  .transform(
    (answer): AcrSyncRule => ({
      id: answer.SyncRuleId,
      name: answer.SyncRuleName,
      direction: answer.SyncDirection,
      scope: answer.SyncScope,
      namespace: answer.LocalNamespaceName,
      repository: answer.LocalRepoName,
      tagPattern: answer.TagFilter,
      targetInstanceId: answer.TargetInstanceId,
      targetRegion: answer.TargetRegionId,
    }),
  );

/** Every rule by which the instance deletes artifacts. Throws as `listAll`. */
export function listLifecycleRules(api: AcrApi): AsyncIterable<AcrLifecycleRule> {
  return listAll(api, {
    action: 'ListArtifactLifecycleRule',
    field: 'Rules',
    item: LifecycleRule,
    keyOf: ({ id }) => id,
  });
}

/** Every rule by which images are copied from or to the instance. Throws as `listAll`. */
export function listSyncRules(api: AcrApi): AsyncIterable<AcrSyncRule> {
  return listAll(api, { action: 'ListRepoSyncRule', field: 'SyncRules', item: SyncRule, keyOf: ({ id }) => id });
}
