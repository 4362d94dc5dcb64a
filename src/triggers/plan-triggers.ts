import { coversRepository } from '../rules/match.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type TagFilter, tagFilterOf } from './tag-filter.ts';

/** Where a registry's triggers call. */
export interface TriggerTarget {
  /** The registry's name in the rules file. */
  readonly registry: string;
  /** Of our receiver, with the registry and the token at its end: a secret. */
  readonly url: string;
}

/** What we set of a trigger. */
export interface WantedTrigger extends TagFilter {
  readonly name: string;
  readonly url: string;
}

/** A trigger as it stands; others may have made it. */
export interface StandingTrigger {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly type: string;
  readonly tag: string;
}

/** One call that brings a repository nearer to what is wanted. */
export type TriggerChange =
  | { readonly kind: 'create'; readonly wanted: WantedTrigger }
  | {
      readonly kind: 'update';
      readonly id: string;
      readonly wanted: WantedTrigger;
      /** What differs. */
      readonly fields: readonly (keyof WantedTrigger)[];
    }
  | { readonly kind: 'delete'; readonly id: string; readonly name: string };

const namePrefix = 'autosign';

/** The one trigger that a repository should have, or undefined when no rule that looks at images covers it. */
export function wantedTrigger(
  { rules }: Pick<RuleSet, 'rules'>,
  { registry, url }: TriggerTarget,
  repository: string,
): WantedTrigger | undefined {
  const covering = rules.filter(
    (rule) => rule.state !== 'off' && rule.registries.includes(registry) && coversRepository(rule, repository),
  );
  const filter = tagFilterOf(covering);
  return filter && { name: `${namePrefix}-${registry}`, url, ...filter };
}

/**
 * What has to be done about the triggers of a repository. Of ours the one that fits best stays and is set right, further
 * ones go; `wanted` undefined takes all of ours away. Those of others are not touched.
 */
export function planTriggers(
  standing: readonly StandingTrigger[],
  wanted: WantedTrigger | undefined,
  registry: string,
): readonly TriggerChange[] {
  const ours = standing.filter((trigger) => isOurs(trigger, registry));
  const remove = ({ id, name }: StandingTrigger): TriggerChange => ({ kind: 'delete', id, name });
  if (wanted === undefined) return ours.map(remove);
  const [kept, ...further] = ours
    .map((trigger) => ({ trigger, fields: differences(trigger, wanted) }))
    .sort((left, right) => left.fields.length - right.fields.length);
  if (kept === undefined) return [{ kind: 'create', wanted }];
  const { trigger, fields } = kept;
  const update: readonly TriggerChange[] =
    fields.length === 0 ? [] : [{ kind: 'update', id: trigger.id, wanted, fields }];
  return [...update, ...further.map((each) => remove(each.trigger))];
}

/**
 * Ours has a name that begins with `autosign` and calls the path of this registry's webhook, at whatever host and with
 * whatever token, which change. A trigger that somebody has made for it by hand has another name and is theirs.
 */
function isOurs({ name, url }: StandingTrigger, registry: string): boolean {
  if (!name.startsWith(namePrefix) || !URL.canParse(url)) return false;
  const [token, ...path] = new URL(url).pathname.split('/').reverse();
  return token !== '' && path.slice(0, 3).join('/') === `${registry}/acr/webhooks`;
}

function differences(trigger: StandingTrigger, wanted: WantedTrigger): readonly (keyof WantedTrigger)[] {
  const fields = (['name', 'url', 'type'] as const).filter((field) => trigger[field] !== wanted[field]);
  // What ACR answers as the tag of a trigger for all tags is not documented, and it means nothing.
  return wanted.type === 'ALL' || trigger.tag === wanted.tag ? fields : [...fields, 'tag'];
}
