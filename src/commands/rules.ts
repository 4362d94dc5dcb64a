import { AutosignError } from '../domain/errors.ts';
import { type ImageReference, parseImageReference } from '../domain/image-reference.ts';
import { isSignatureTag } from '../domain/signature-tag.ts';
import { loadRuleSet, readRuleSet } from '../rules/load-rule-set.ts';
import { deniedBy, explainRules } from '../rules/match.ts';
import { findOverlaps } from '../rules/overlaps.ts';
import { formatProblem } from '../rules/problem.ts';
import { findRegistry } from '../rules/registry-of-host.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { rulesJsonSchema } from '../rules/rules-file-schema.ts';
import { exitCodes } from './exit-codes.ts';
import { paint, printLines } from './terminal.ts';

export interface OutputOptions {
  readonly json?: boolean;
}

export interface ExplainOptions extends OutputOptions {
  readonly rules: string;
}

/** Lists every problem of a rules file, or sums it up and lists overlapping rules. */
export async function checkRulesFile(file: string, options: OutputOptions): Promise<void> {
  const result = await readRuleSet(file);
  if ('problems' in result) {
    process.exitCode = exitCodes.usage;
    if (options.json) return printJson({ file, valid: false, problems: result.problems });
    printLines([
      ...result.problems.map(formatProblem),
      `${file}: ${paint('bad', count(result.problems.length, 'problem'))}; nothing of it would be taken over`,
    ]);
    return;
  }
  const { ruleSet } = result;
  const overlaps = findOverlaps(ruleSet).map(({ rules, registries, signatures }) => ({
    rules: rules.map(({ name, origin }) => ({ name, ...origin })),
    registries,
    signatures,
  }));
  if (options.json) return printJson({ file, valid: true, ...summarize(ruleSet), overlaps });
  const { files, registries, keys, rules, deny } = summarize(ruleSet);
  printLines([
    `${file}: ${paint('good', 'valid')}; ${count(files.length, 'file')}, ${count(registries.length, 'registry', 'registries')}, ${count(keys.length, 'key')}, ${count(rules.length, 'rule')}, ${count(deny, 'denied digest')}`,
    ...overlaps.map(
      ({ rules: [first, second], registries: names, signatures }) =>
        `${paint('waiting', 'overlap')}: "${first?.name}" (${first?.file}:${first?.line}) and "${second?.name}" (${second?.file}:${second?.line}) on ${names.join(', ')}: ${
          signatures === 'identical'
            ? 'they demand the same signatures, made once'
            : 'an image of both gets signatures of both'
        }`,
    ),
  ]);
}

function summarize(ruleSet: RuleSet) {
  return {
    files: ruleSet.files,
    hash: ruleSet.hash,
    registries: [...ruleSet.registries.keys()],
    keys: [...ruleSet.keys.keys()],
    rules: ruleSet.rules.map(({ name, state }) => ({ name, state })),
    deny: ruleSet.deny.length,
  };
}

/** Tells which rules want an image, and why the others do not. */
export async function explainImage(text: string, options: ExplainOptions): Promise<void> {
  const reference = parseImageReference(text);
  const { tag, repository } = reference;
  if (tag === undefined) {
    throw new AutosignError('usage', `"${text}" has no tag, and rules match tags; write host/repository:tag`);
  }
  const ruleSet = await loadRuleSet(options.rules);
  const registry = findRegistry(ruleSet, reference.host);
  const outcome = explain(ruleSet, reference, registry?.name, tag);
  process.exitCode = outcome.exitCode;
  if (options.json) return printJson({ reference: text, registry: registry?.name ?? null, ...outcome.report });
  printLines([
    registry === undefined
      ? `no registry of the rules has the host ${reference.host}`
      : `${repository}:${tag} in registry "${registry.name}": ${outcome.report.verdict}`,
    ...outcome.report.rules.map(
      ({ name, state, matches, reasons }) =>
        `  ${matches ? paint('good', 'matches') : paint('quiet', 'no match')}: "${name}"${state === 'audit' && matches ? ' (audit: looks and logs only)' : ''}: ${reasons.join('; ')}`,
    ),
  ]);
}

/** Prints the JSON schema of the rules file. */
export function printRulesSchema(): void {
  printJson(rulesJsonSchema());
}

function explain(ruleSet: RuleSet, reference: ImageReference, registry: string | undefined, tag: string) {
  const { repository, digest } = reference;
  const rules =
    registry === undefined
      ? []
      : explainRules(ruleSet, { registry, repository, tag }).map(({ rule, matches, reasons }) => ({
          name: rule.name,
          ...rule.origin,
          state: rule.state,
          matches,
          reasons,
        }));
  const denied = digest === undefined ? undefined : deniedBy(ruleSet, [digest], new Date());
  if (denied !== undefined) {
    return { exitCode: exitCodes.denied, report: { verdict: `denied: ${denied.reason}`, rules } };
  }
  if (isSignatureTag(tag)) {
    return { exitCode: exitCodes.noRule, report: { verdict: 'never signed: the tag is one of a signature', rules } };
  }
  const matching = rules.filter(({ matches }) => matches).length;
  return matching === 0
    ? { exitCode: exitCodes.noRule, report: { verdict: 'no rule wants it', rules } }
    : { exitCode: exitCodes.ok, report: { verdict: `${count(matching, 'rule')} of ${rules.length} matches`, rules } };
}

function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
