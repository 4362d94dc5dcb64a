import { sha256Hex } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { namespaceOf } from '../domain/image-reference.ts';
import { coversNamespace } from '../rules/match.ts';
import { nearestName } from '../rules/nearest-name.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule, RuleSet } from '../rules/rule-set.ts';

/** What an operator names; what is absent limits nothing. */
export interface BackfillChoice {
  readonly registry?: string | undefined;
  readonly namespace?: string | undefined;
  readonly rule?: string | undefined;
  /** As the operator wrote it: part of what names the selection. */
  readonly since?: string | undefined;
}

/** Which rules a backfill signs for, and where. */
export interface BackfillSelection {
  /** Lower-case hex; the same for the same choice and rules that demand the same. */
  readonly id: string;
  /** In state `sign`. */
  readonly rules: readonly Rule[];
  /** Names of the registries to walk. */
  readonly registries: readonly string[];
  readonly namespace: string | undefined;
  /** Whether a repository stands outside of what was chosen. */
  readonly passOver: (repository: string) => boolean;
}

// Enough to tell the selections of one deployment apart, and short enough for a key.
const idLength = 24;

/**
 * The rules in state `sign` that a backfill is for, and the registries they name.
 * @throws AutosignError `usage` for a name that no such rule has, with those that there are
 */
export function selectForBackfill(ruleSet: RuleSet, choice: BackfillChoice): BackfillSelection {
  const { registry, namespace } = choice;
  const signing = ruleSet.rules.filter(({ state }) => state === 'sign');
  const named = chooseRules(ruleSet, signing, choice.rule);
  const known = [...new Set(named.flatMap((rule) => rule.registries))];
  if (registry !== undefined && !known.includes(registry)) refuse('--registry', registry, 'names', known);
  const inRegistry = registry === undefined ? named : named.filter((rule) => rule.registries.includes(registry));
  const rules = namespace === undefined ? inRegistry : inRegistry.filter((rule) => coversNamespace(rule, namespace));
  if (namespace !== undefined && rules.length === 0) {
    const patterns = new Set(inRegistry.flatMap((rule) => rule.namespaces?.include ?? ['**']));
    refuse('--namespace', namespace, 'covers', [...patterns]);
  }
  const wanted = registry === undefined ? rules.flatMap((rule) => rule.registries) : [registry];
  const parts = [registry, namespace, choice.rule, choice.since].map((part) => part ?? null);
  const identities = rules.map((rule) => [ruleIdentity(ruleSet, rule), rule.existing, [...rule.registries].sort()]);
  return {
    id: sha256Hex(JSON.stringify(['backfill-v1', parts, identities.sort()])).slice(0, idLength),
    rules,
    registries: [...new Set(wanted)],
    namespace,
    passOver: (repository) => namespace !== undefined && namespaceOf(repository) !== namespace,
  };
}

function chooseRules(ruleSet: RuleSet, signing: readonly Rule[], name: string | undefined): readonly Rule[] {
  const rules = name === undefined ? signing : signing.filter((rule) => rule.name === name);
  if (rules.length > 0) return rules;
  if (name === undefined)
    throw new AutosignError('usage', 'No rule is in state sign, so there is nothing to backfill.');
  const other = ruleSet.rules.find((rule) => rule.name === name);
  if (other !== undefined) {
    throw new AutosignError(
      'usage',
      `--rule: ${name} is in state ${other.state}; only rules in state sign are signed.`,
    );
  }
  return refuse(
    '--rule',
    name,
    'is',
    signing.map((rule) => rule.name),
  );
}

function refuse(option: string, name: string, verb: string, known: readonly string[]): never {
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  throw new AutosignError(
    'usage',
    `${option}: no rule in state sign ${verb} "${name}"; there ${known.length === 1 ? 'is' : 'are'}: ${known.join(', ')}.${hint}`,
  );
}
