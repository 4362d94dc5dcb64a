import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Descriptor } from '../domain/descriptor.ts';
import { AutosignError } from '../domain/errors.ts';
import { type ImageReference, parseImageReference } from '../domain/image-reference.ts';
import { builtFormats } from '../formats/built-formats.ts';
import { createSignatureStores } from '../registry/signature-stores.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { coversRepository, deniedBy, matchRules } from '../rules/match.ts';
import { findRegistry } from '../rules/registry-of-host.ts';
import type { Registry, Rule, RuleSet } from '../rules/rule-set.ts';
import { classifyManifest } from '../signing/classify-manifest.ts';
import { bindingOf } from '../signing/intent.ts';
import { loadTrust } from '../signing/load-trust.ts';
import { type Expectation, type ExpectationResult, verifyImage } from '../verification/verify-image.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { openRegistry } from './open-registries.ts';
import { readOnlyLock } from './read-only-lock.ts';
import { paint, printJson, printLines, type Tone, withoutControls } from './terminal.ts';

export interface VerifyOptions {
  readonly rules: string;
  readonly json?: true;
}

/** What the command found out, as `--json` prints it. */
interface VerifyReport {
  readonly reference: string;
  readonly digest: string | undefined;
  readonly verdict: 'valid' | 'invalid' | 'not-signed' | 'no-rule' | 'denied';
  readonly reason?: string;
  readonly checks: readonly {
    readonly rule: string;
    readonly key: string;
    readonly format: string;
    readonly mode: string;
    readonly valid: boolean;
    readonly signature: string | undefined;
    readonly refused: readonly { readonly signature: string; readonly reason: string; readonly message: string }[];
  }[];
}

const exitCodeOfVerdict: Record<VerifyReport['verdict'], ExitCode> = {
  valid: exitCodes.ok,
  invalid: exitCodes.invalid,
  'not-signed': exitCodes.notSigned,
  'no-rule': exitCodes.noRule,
  denied: exitCodes.denied,
};

/** Holds an image against the rules, prints what was found, and sets the exit code. */
export async function runVerify(reference: string, options: VerifyOptions): Promise<void> {
  const report = await verifyReference(parseImageReference(reference), reference, options);
  if (options.json) printJson(report);
  else printLines(linesOf(report));
  process.exitCode = exitCodeOfVerdict[report.verdict];
}

async function verifyReference(reference: ImageReference, text: string, options: VerifyOptions): Promise<VerifyReport> {
  const wanted = reference.digest ?? reference.tag;
  if (wanted === undefined) {
    throw new AutosignError(
      'usage',
      `"${text}" names neither a tag nor a digest; write host/repository:tag or host/repository@sha256:…`,
    );
  }
  const ruleSet = await loadRuleSet(resolve(options.rules));
  const registry = findRegistry(ruleSet, reference.host);
  if (registry === undefined) {
    const reason = `no registry of the rules has the host ${reference.host}`;
    return { reference: text, digest: undefined, verdict: 'no-rule', reason, checks: [] };
  }
  const client = openRegistry(registry, ruleSet, { env: process.env });
  try {
    const manifest = await client.getManifest(reference.repository, wanted);
    const { digest } = manifest.descriptor;
    const found = { reference: text, digest, checks: [] } as const;
    const kind = classifyManifest(manifest);
    const denied = deniedBy(ruleSet, [digest, ...(kind.image ? kind.children : [])], new Date());
    if (denied !== undefined) return { ...found, verdict: 'denied', reason: denied.reason };
    const rules = rulesFor(ruleSet, registry, reference);
    if (rules.length === 0) return { ...found, verdict: 'no-rule', reason: 'no rule that signs covers this image' };
    const results = await verifyImage({
      stores: createSignatureStores({ client, lock: readOnlyLock }),
      repository: reference.repository,
      subject: manifest.descriptor,
      expectations: await expectationsOf(rules, ruleSet, { registry, reference, subject: manifest.descriptor }),
      now: new Date(),
    });
    return { ...found, verdict: verdictOf(results), checks: results.map(checkOf) };
  } finally {
    await client.close();
  }
}

/** With a tag, the rules that match; with a digest alone, those that bind nothing else and cover the repository. */
function rulesFor(ruleSet: RuleSet, registry: Registry, { repository, tag }: ImageReference): readonly Rule[] {
  if (tag !== undefined) {
    return matchRules(ruleSet, { registry: registry.name, repository, tag }).filter((rule) => rule.state === 'sign');
  }
  return ruleSet.rules.filter(
    (rule) =>
      rule.state === 'sign' &&
      rule.mode === 'minimal' &&
      rule.registries.includes(registry.name) &&
      coversRepository(rule, repository),
  );
}

async function expectationsOf(
  rules: readonly Rule[],
  { keys }: RuleSet,
  scope: { readonly registry: Registry; readonly reference: ImageReference; readonly subject: Descriptor },
): Promise<readonly Expectation[]> {
  const { registry, reference } = scope;
  const image = { registry, repository: reference.repository, tag: reference.tag ?? '' };
  const demands = rules.flatMap((rule) => rule.formats.map((name) => ({ rule, name })));
  return Promise.all(
    demands.map(async ({ rule, name }) => {
      const key = keys.get(rule.key);
      const format = builtFormats.get(name);
      if (key === undefined || format === undefined) throw new Error(`rule ${rule.name} names no key or format`);
      const trust = await loadTrust(key, name, (file) => readFile(file, 'utf8'));
      return { rule: rule.name, format, binding: bindingOf(rule, name, image), trust };
    }),
  );
}

/** Looked at, but not good: invalid. Nothing there to look at: not signed. */
function verdictOf(results: readonly ExpectationResult[]): VerifyReport['verdict'] {
  const lacking = results.filter((result) => result.found === undefined);
  if (lacking.length === 0) return 'valid';
  return lacking.some((result) => result.others.some(isWrong)) ? 'invalid' : 'not-signed';
}

/** A signature for another tag, or by another key, is not wrong; it is just not the one that is demanded. */
function isWrong({ reason }: ExpectationResult['others'][number]): boolean {
  return reason !== 'untrusted' && reason !== 'other-binding';
}

function checkOf({ rule, keyName, format, binding, found, others }: ExpectationResult): VerifyReport['checks'][number] {
  return {
    rule,
    key: keyName,
    format,
    mode: binding.mode,
    valid: found !== undefined,
    signature: found?.descriptor.digest,
    refused: others.map(({ descriptor, reason, message }) => ({ signature: descriptor.digest, reason, message })),
  };
}

const toneOfVerdict: Record<VerifyReport['verdict'], Tone> = {
  valid: 'good',
  invalid: 'bad',
  'not-signed': 'waiting',
  'no-rule': 'quiet',
  denied: 'bad',
};

function linesOf({ reference, digest, verdict, reason, checks }: VerifyReport): readonly string[] {
  const lines = checks.flatMap((check) => [
    `  ${check.valid ? paint('good', 'valid  ') : paint('waiting', 'missing')}  rule ${check.rule}, key ${check.key}, ${check.format}, mode ${check.mode}` +
      (check.signature === undefined ? '' : `: ${check.signature}`),
    ...check.refused.map(
      (refused) => `           ${refused.signature} does not count: ${withoutControls(refused.message)}`,
    ),
  ]);
  return [
    `${reference}${digest === undefined ? '' : ` (${digest})`}: ${paint(toneOfVerdict[verdict], verdict)}${reason === undefined ? '' : `, ${reason}`}`,
    ...lines,
  ];
}
