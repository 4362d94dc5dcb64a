import { z } from 'zod';
import type { AcrApi } from './acr-api.ts';
import { text } from './acr-fields.ts';

/**
 * What a trigger fires on: `ALL`, or the tags that match a regular expression. What the documentation writes for a list
 * of tags differs from page to page (`TAG_LIST`, `TAG_LISTTAG`), so we set none.
 */
type AcrTriggerType = 'ALL' | 'TAG_REG_EXP';

/** What we set of a trigger. */
export interface AcrTriggerWish {
  readonly name: string;
  /** Holds the token of the webhook, so it is a secret. */
  readonly url: string;
  readonly type: AcrTriggerType;
  /** A regular expression for `TAG_REG_EXP`; empty for `ALL`. */
  readonly tag: string;
}

/** A trigger as it stands; others may have made it. */
export interface AcrTrigger extends Omit<AcrTriggerWish, 'type'> {
  /** `crw-…` */
  readonly id: string;
  readonly type: string;
}

const Trigger = z
  .object({ TriggerId: z.string().min(1), TriggerName: text, TriggerUrl: text, TriggerType: text, TriggerTag: text })
  .transform(
    (answer): AcrTrigger => ({
      id: answer.TriggerId,
      name: answer.TriggerName,
      url: answer.TriggerUrl,
      type: answer.TriggerType,
      tag: answer.TriggerTag,
    }),
  );

const TriggerList = z.object({ Triggers: z.array(Trigger).nullish() }).transform(({ Triggers }) => Triggers ?? []);
const Created = z.object({ TriggerId: z.string().min(1) }).transform(({ TriggerId }) => TriggerId);
const Done = z.object({}).transform(() => undefined);

/** Every trigger of a repository; the list has one page. Throws as `AcrApi.call`. */
export function listTriggers(
  api: AcrApi,
  repositoryId: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly AcrTrigger[]> {
  return api.call('ListRepoTrigger', TriggerList, { query: { RepoId: repositoryId }, signal });
}

/** Makes a trigger; sent once, as two tries would make two. @returns its id. Throws as `AcrApi.call`. */
export function createTrigger(api: AcrApi, repositoryId: string, wish: AcrTriggerWish): Promise<string> {
  const query = { RepoId: repositoryId, ...fieldsOf(wish) };
  return api.call('CreateRepoTrigger', Created, { query, once: true, secrets: secretsOf(wish) });
}

/** Sets everything of a trigger anew. Throws as `AcrApi.call`. */
export function updateTrigger(api: AcrApi, repositoryId: string, id: string, wish: AcrTriggerWish): Promise<void> {
  const query = { RepoId: repositoryId, TriggerId: id, ...fieldsOf(wish) };
  return api.call('UpdateRepoTrigger', Done, { query, secrets: secretsOf(wish) });
}

/** Takes a trigger away; sent once. Throws as `AcrApi.call`. */
export function deleteTrigger(api: AcrApi, repositoryId: string, id: string): Promise<void> {
  const query = { RepoId: repositoryId, TriggerId: id };
  return api.call('DeleteRepoTrigger', Done, { query, once: true });
}

function fieldsOf({ name, url, type, tag }: AcrTriggerWish): Record<string, string> {
  return { TriggerName: name, TriggerUrl: url, TriggerType: type, TriggerTag: tag };
}

/** The address, and the token at its end alone: an answer may quote a part. */
function secretsOf({ url }: AcrTriggerWish): readonly string[] {
  const end = url.slice(url.lastIndexOf('/') + 1);
  // Something shorter is no token of ours, and would blot out words of the answer.
  return end.length >= 16 ? [url, end] : [url];
}
