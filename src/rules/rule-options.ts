import type { Format, SigningAlgorithm } from '../domain/algorithm.ts';
import { below, type Entry, type Place } from './entry.ts';
import type { DefaultsEntry, RuleEntry } from './rules-file-schema.ts';

/** An option that a rule takes from itself or from `defaults`, and the place to blame for it. */
export interface RuleOption<T> {
  readonly value: T;
  readonly place: Place;
  /** Whether the value stands in `defaults`, so that a message must name the rule. */
  readonly isShared: boolean;
}

/** What the rule says, else what `defaults` says, else undefined. */
export function ruleOption<Name extends keyof DefaultsEntry>(
  rule: Entry<RuleEntry>,
  defaults: Entry<DefaultsEntry>,
  name: Name,
): RuleOption<NonNullable<DefaultsEntry[Name]>> | undefined {
  const own = rule.value[name];
  if (own !== undefined) return { value: own, place: below(rule, name), isShared: false };
  const shared = defaults.value[name];
  return shared === undefined ? undefined : { value: shared, place: below(defaults, name), isShared: true };
}

/** The format of a rule that names none: the one whose verifiers take the algorithm. */
export function defaultFormats(algorithm: SigningAlgorithm): readonly Format[] {
  switch (algorithm) {
    case 'RSA_PSS_SHA_256':
    case 'ECDSA_SHA_256':
      return ['notation'];
    case 'RSA_PKCS1_SHA_256':
      return ['cosign'];
  }
}

/** `renewBefore` of a key that says none. */
export const defaultRenewBefore = '30d';

/** `sessionDuration` of a KMS key that says none: what every role allows unless its longest session was lowered, and RAM's own default. */
export const defaultSessionDuration = '1h';
