import type { Fact, LiveReport, Step } from '../doctor/live/fact.ts';
import { runLive } from '../doctor/live/run-live.ts';
import { AutosignError } from '../domain/errors.ts';
import { isRepository, namespaceOf } from '../domain/image-reference.ts';
import { version } from '../domain/version.ts';
import { matchRules } from '../rules/match.ts';
import { findRegistry } from '../rules/registry-of-host.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import { exitCodes } from './exit-codes.ts';
import { openLive } from './open-live.ts';
import { readLiveSettings } from './settings.ts';
import { stopOnSignal } from './stop-on-signal.ts';
import { paint, printJson, printLines, withoutControls } from './terminal.ts';

export interface DoctorLiveOptions {
  /** `REGISTRY/NAMESPACE/REPOSITORY` */
  readonly live: string;
  readonly waitMs: number;
  readonly triggers?: true | undefined;
  readonly json?: true | undefined;
}

/**
 * Finds out on a real registry what no documentation says, and sets the exit code.
 * @throws AutosignError `usage`, `settings-invalid`, before anything was begun
 */
export async function runDoctorLive(ruleSet: RuleSet, options: DoctorLiveOptions): Promise<void> {
  const { json } = options;
  const { registry, repository } = readTarget(ruleSet, options.live);
  const settings = readLiveSettings(process.env);
  const stopping = stopOnSignal();
  const tell = (step: Step) => (json ? undefined : printLines(stepLines(step)));
  const withTriggers = options.triggers === true;
  const live = await openLive(ruleSet, { registry, repository, settings, env: process.env, signal: stopping.signal });
  const { name } = live;
  const signedBy = matchRules(ruleSet, { registry: registry.name, repository, tag: name })
    .filter(({ state }) => state === 'sign')
    .map((rule) => rule.name);
  if (!json) printLines([`${registry.name}/${repository}:${name}`, coveredText(signedBy), '']);
  let report: LiveReport;
  try {
    report = await runLive({ ...live.parts, waitMs: options.waitMs, withTriggers, signal: stopping.signal, tell });
  } finally {
    stopping.close();
    await live.close();
  }
  if (json) printJson({ version, registry: registry.name, repository, tag: name, rules: signedBy, ...report });
  else printLines(reportLines(report));
  process.exitCode = exitCodeOf(report, stopping.signal);
}

function exitCodeOf({ steps, left }: LiveReport, signal: AbortSignal): number {
  if (signal.aborted) return exitCodes.interrupted;
  return steps.some(({ result }) => result === 'failed') || left.length > 0 ? exitCodes.failed : exitCodes.ok;
}

/** `prod/team/scratch` by the registry's name, or `host/team/scratch`. */
function readTarget(ruleSet: RuleSet, text: string): { readonly registry: Registry; readonly repository: string } {
  const slash = text.indexOf('/');
  const name = text.slice(0, Math.max(slash, 0));
  const repository = text.slice(slash + 1);
  const registry = ruleSet.registries.get(name) ?? findRegistry(ruleSet, name);
  const known = [...ruleSet.registries.keys()].join(', ');
  if (registry === undefined) {
    throw new AutosignError('usage', `--live "${text}": the rules file has no registry "${name}"; it has ${known}.`);
  }
  if (!isRepository(repository) || (registry.acr !== undefined && namespaceOf(repository) === undefined)) {
    throw new AutosignError(
      'usage',
      `--live "${text}": after the registry, a namespace and a repository are expected.`,
    );
  }
  return { registry, repository };
}

function coveredText(rules: readonly string[]): string {
  return rules.length === 0
    ? 'No rule covers it: what is seen is caused by this command alone.'
    : `Covered by ${rules.join(', ')}: workers sign it as well, and their signatures are among what is seen.`;
}

function stepLines({ step, result, detail }: Step): readonly string[] {
  const word = paint(result === 'ok' ? 'good' : 'bad', result);
  return [`  ${word}${' '.repeat('stopped'.length - result.length)}  ${withoutControls(`${step}: ${detail}`)}`];
}

function reportLines({ facts, left }: LiveReport): readonly string[] {
  return ['', 'observed', ...facts.flatMap(factLines), ...leftLines(left)];
}

function factLines({ id, question, observed, evidence }: Fact): readonly string[] {
  const lines = [`  ${id}: ${question}`, `      ${observed}`, ...evidence.map((line) => `        ${line}`)];
  return lines.map(withoutControls);
}

function leftLines(left: readonly string[]): readonly string[] {
  if (left.length === 0) return [];
  return ['', 'left behind, to be deleted by hand', ...left.map((name) => `  ${withoutControls(name)}`)];
}
