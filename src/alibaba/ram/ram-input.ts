import type { RuleSet } from '../../rules/rule-set.ts';
import type { AcrInstanceName } from './acr-rights.ts';
import type { AssumableRole } from './ram-identities.ts';

/** A registry that is used through Container Registry's OpenAPI. */
export interface AcrAccess extends AcrInstanceName {
  /** Name of the registry in the rules. */
  readonly registry: string;
  /** Undefined when it is used with the identity that runs. */
  readonly role: AssumableRole | undefined;
}

export interface RamPlanInput {
  readonly ruleSet: RuleSet;
  readonly acr: readonly AcrAccess[];
  /** ARN of the RAM user or role that runs the part; undefined when it is not known. */
  readonly identityArn: string | undefined;
}
