import type { AcrApi } from '../alibaba/acr-api.ts';
import { acrTriggerPolicy } from '../alibaba/acr-trigger-policy.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import type { Clock } from '../ports/clock.ts';
import type { Registry } from '../rules/rule-set.ts';
import { openAcrApi } from './acr-access.ts';

/** A registry of the rules whose triggers can be looked after. */
export type TriggerRegistry = Registry & { readonly acr: NonNullable<Registry['acr']> };

export function hasTriggers(registry: Registry): registry is TriggerRegistry {
  return registry.acr !== undefined;
}

/** Whether the rules say what triggers of the registry call. */
export function wantsTriggers(registry: Registry): registry is TriggerRegistry {
  return hasTriggers(registry) && registry.webhook?.trigger !== undefined;
}

/** The OpenAPI of an instance, for its triggers: a role is narrowed to them. */
export function openTriggerApi(
  { acr }: TriggerRegistry,
  { base, clock }: { readonly base: CredentialsSource; readonly clock: Clock },
): AcrApi {
  const sessionPolicy = acr.role === undefined ? undefined : acrTriggerPolicy(acr, acr.role.roleArn);
  return openAcrApi(acr, { base, clock, sessionPolicy });
}
