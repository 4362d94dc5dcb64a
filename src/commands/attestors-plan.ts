import { resolve } from 'node:path';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { Key, Rule, RuleSet } from '../rules/rule-set.ts';
import { paint, printJson, printLines } from './terminal.ts';

export interface AttestorsPlanOptions {
  readonly rules: string;
  readonly json?: true;
}

/** The attestor that a key would be, or why it cannot be one. */
interface PlannedAttestor {
  readonly key: string;
  readonly rules: readonly string[];
  /** The parameters of CreateAttestor; absent when the key cannot be one. */
  readonly attestor?: {
    readonly Name: string;
    readonly KeyId: string;
    readonly KeyVersionId: string;
    readonly KeyRegionId: string;
  };
  readonly obstacles: readonly string[];
}

/** What ACR's own signing rules would have to be in place of one rule of ours. */
interface PlannedRule {
  readonly rule: string;
  readonly registries: readonly string[];
  /** `cri-…`, of those registries that are instances of ACR by the rules file. */
  readonly instances: readonly string[];
  /** One rule of ACR each; patterns are ours and ACR has none. */
  readonly namespaces: readonly string[];
  readonly attestor: string;
  readonly algorithm: string;
  /** What ACR's rule cannot express. */
  readonly obstacles: readonly string[];
}

const warning =
  "Nothing is created. ACR's signatures are kept in a private store; kritis-validation-hook reads that store alone and " +
  'cannot see what autosign signs. A policy that is enabled for images that ACR itself has not signed stops them.';

/** Prints what ACR's own signing would need to stand for these rules. */
export async function planAttestors(options: AttestorsPlanOptions): Promise<void> {
  const ruleSet = await loadRuleSet(resolve(options.rules));
  const plan = planFor(ruleSet);
  if (options.json) return printJson({ warning, ...plan });
  printLines([
    warning,
    '',
    'Attestors, in Security Center (Ultimate edition); its pages name keys of spec RSA_2048 for SIGN/VERIFY alone:',
    ...plan.attestors.flatMap(linesOfAttestor),
    '',
    "Signing rules, in ACR's console (Advanced edition; no public API):",
    ...plan.rules.flatMap(linesOfRule),
    '',
    'Policy, for clusters with kritis-validation-hook; these are the parameters of CreateBinarySecurityPolicy:',
    ...Object.entries(plan.policy).map(([name, value]) => `  ${name}: ${value}`),
  ]);
}

function planFor({ rules, keys, registries }: RuleSet) {
  const inForce = rules.filter(({ state }) => state !== 'off');
  const usedKeys = [...new Set(inForce.map(({ key }) => key))].flatMap((name) => keys.get(name) ?? []);
  const attestors = usedKeys.map((key) => planAttestor(key, inForce));
  const names = attestors.flatMap(({ attestor }) => attestor?.Name ?? []);
  return { attestors, rules: inForce.map((rule) => planRule(rule, registries)), policy: policyFor(names) };
}

function planAttestor(key: Key, rules: readonly Rule[]): PlannedAttestor {
  const of = { key: key.name, rules: rules.filter((rule) => rule.key === key.name).map(({ name }) => name) };
  const { source } = key;
  if (source.kind !== 'kms') {
    return { ...of, obstacles: ['it is not reached through the OpenAPI of KMS, and an attestor names a key there'] };
  }
  const attestor = {
    Name: key.name,
    KeyId: source.keyId,
    KeyVersionId: source.keyVersionId,
    KeyRegionId: source.region,
  };
  return key.spec === 'RSA_2048'
    ? { ...of, attestor, obstacles: [] }
    : { ...of, obstacles: [`its spec is ${key.spec}, and Security Center's pages name RSA_2048 alone`] };
}

function planRule(rule: Rule, all: RuleSet['registries']): PlannedRule {
  const { name, registries, namespaces, repositories, tags, key, algorithm, state } = rule;
  const include = namespaces?.include ?? ['**'];
  const instances = registries.flatMap((registry) => all.get(registry)?.acr?.instanceId ?? []);
  const hasPatterns = include.some((pattern) => pattern.includes('*')) || (namespaces?.exclude.length ?? 0) > 0;
  const obstacles = [
    ...(instances.length < registries.length ? ['a registry without acr is none that ACR could sign in'] : []),
    ...(state === 'audit' ? ["it only watches; ACR's rule has no such state"] : []),
    ...(hasPatterns
      ? ["ACR's rule is for one namespace by name: write one for each, also for namespaces that come later"]
      : []),
    ...(repositories === undefined ? [] : ["ACR's rule signs every repository of its namespace"]),
    ...(tags === undefined ? [] : ["ACR's rule signs every tag"]),
  ];
  return { rule: name, registries, instances, namespaces: include, attestor: key, algorithm, obstacles };
}

/** Switched off, and without a cluster: whoever creates it has to say both. */
function policyFor(requiredAttestors: readonly string[]) {
  return {
    Name: '<name>',
    Clusters: JSON.stringify([{ ClusterId: '<id of a cluster>', Namespaces: ['<namespace>'] }]),
    Policy: JSON.stringify({ PolicyMode: 'requireAttestor', RequiredAttestors: requiredAttestors }),
    Status: 'disabled',
  };
}

function linesOfAttestor({ key, rules, attestor, obstacles }: PlannedAttestor): readonly string[] {
  return [
    `  key ${key} (rules ${rules.join(', ')}): ${attestor === undefined ? paint('bad', 'cannot be an attestor') : paint('good', 'can be one')}`,
    ...Object.entries(attestor ?? {}).map(([name, value]) => `    ${name}: ${value}`),
    ...obstacles.map((obstacle) => `    ${obstacle}`),
  ];
}

function linesOfRule(planned: PlannedRule): readonly string[] {
  const { rule, registries, instances, namespaces, attestor, algorithm, obstacles } = planned;
  return [
    `  rule ${rule}: in ${[...registries, ...instances].join(', ')}, for namespaces ${namespaces.join(', ')}, with attestor ${attestor} and ${algorithm}`,
    ...obstacles.map((obstacle) => `    ${paint('waiting', 'differs')}: ${obstacle}`),
  ];
}
