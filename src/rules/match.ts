import type { Digest } from '../domain/digest.ts';
import { namespaceOf } from '../domain/image-reference.ts';
import { matchesGlob } from './glob.ts';
import type { DenyEntry, Rule, RuleSet, Selection } from './rule-set.ts';

/** An image as rules see it: the name of a configured registry, the full repository path, a tag. */
export interface ImageName {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

/** What a rule says about an image. */
export interface Explanation {
  readonly rule: Rule;
  readonly matches: boolean;
  /** Sentences: why it does not match, every reason; when it matches, what made it. */
  readonly reasons: readonly string[];
}

/** The rules that want this image signed or looked at (`state` sign or audit), in the order of the files. */
export function matchRules(ruleSet: RuleSet, image: ImageName): readonly Rule[] {
  return ruleSet.rules.filter((rule) => checksOf(rule, image).every((check) => check.holds));
}

/** Every rule with whether it matches and why; the same decision as `matchRules`. */
export function explainRules(ruleSet: RuleSet, image: ImageName): readonly Explanation[] {
  return ruleSet.rules.map((rule) => {
    const checks = [...checksOf(rule, image)];
    const misses = checks.filter((check) => !check.holds);
    const decisive = misses.length === 0 ? checks : misses;
    return { rule, matches: misses.length === 0, reasons: decisive.map((check) => check.reason()) };
  });
}

/** The first entry of the deny list that names one of `digests` and has not ended at `now`. */
export function deniedBy(ruleSet: RuleSet, digests: readonly Digest[], now: Date): DenyEntry | undefined {
  return ruleSet.deny.find(
    (entry) => digests.includes(entry.digest) && (entry.until === undefined || now.getTime() < entry.until.getTime()),
  );
}

/**
 * The part of a repository path that `repositories` patterns are held against: what stands below the namespace, or
 * the whole name when the image has none.
 */
function repositoryBelowNamespace(repository: string): string {
  const namespace = namespaceOf(repository);
  return namespace === undefined ? repository : repository.slice(namespace.length + 1);
}

/** Whether some tag of this repository may be selected by the rule; its state and registries are not looked at. */
export function coversRepository(rule: Rule, repository: string): boolean {
  return (
    checkSelection('namespace', namespaceOf(repository), rule.namespaces).holds &&
    checkSelection('repository', repositoryBelowNamespace(repository), rule.repositories).holds
  );
}

/** Whether some repository of this namespace may be covered by the rule. */
export function coversNamespace(rule: Rule, namespace: string): boolean {
  return checkSelection('namespace', namespace, rule.namespaces).holds;
}

/** Whether the rule's tag patterns select this tag. */
export function selectsTag(rule: Rule, tag: string): boolean {
  return checkSelection('tag', tag, rule.tags).holds;
}

/** One condition of a rule; the sentence is only made when somebody reads it. */
interface Check {
  readonly holds: boolean;
  readonly reason: () => string;
}

/** The conditions in the order of their cost; what follows a miss is not asked for unless somebody wants every reason. */
function* checksOf(rule: Rule, image: ImageName): Generator<Check, undefined> {
  yield { holds: rule.state !== 'off', reason: () => `its state is ${rule.state}` };
  yield {
    holds: rule.registries.includes(image.registry),
    reason: () => `registry "${image.registry}": its registries are ${rule.registries.join(', ')}`,
  };
  yield checkSelection('namespace', namespaceOf(image.repository), rule.namespaces);
  yield checkSelection('repository', repositoryBelowNamespace(image.repository), rule.repositories);
  yield checkSelection('tag', image.tag, rule.tags);
}

function checkSelection(noun: string, value: string | undefined, selection: Selection | undefined): Check {
  if (selection === undefined) return { holds: true, reason: () => `${noun}: the rule takes every one` };
  if (value === undefined) {
    return { holds: false, reason: () => `the image has no ${noun}, the rule asks for one` };
  }
  const included = selection.include.find((pattern) => matchesGlob(pattern, value));
  if (included === undefined) {
    return { holds: false, reason: () => `${noun} "${value}" is not included by ${quoteList(selection.include)}` };
  }
  const excluded = selection.exclude.find((pattern) => matchesGlob(pattern, value));
  return excluded === undefined
    ? { holds: true, reason: () => `${noun} "${value}" is included by "${included}"` }
    : { holds: false, reason: () => `${noun} "${value}" is excluded by "${excluded}"` };
}

function quoteList(patterns: readonly string[]): string {
  return patterns.map((pattern) => `"${pattern}"`).join(', ');
}
