import type { Format, SigningAlgorithm } from '../domain/algorithm.ts';
import type { Descriptor } from '../domain/descriptor.ts';
import { sha256Hex } from '../domain/digest.ts';
import type { Binding } from '../formats/signature-format.ts';
import type { Registry, Rule } from '../rules/rule-set.ts';
import type { SigningKey } from './signing-key.ts';

/** What one signature is for. A rule's name is no part of it: several rules may demand the same signature. */
export interface Intent {
  /** Lower-case hex SHA-256 over all that makes this signature different from another one. */
  readonly id: string;
  readonly rules: readonly Rule[];
  readonly format: Format;
  readonly algorithm: SigningAlgorithm;
  readonly binding: Binding;
  readonly signingKey: SigningKey;
}

export interface IntentScope {
  readonly registry: Registry;
  readonly repository: string;
  readonly tag: string;
  readonly subject: Descriptor;
}

/** What a signature of this format under this rule binds. */
export function bindingOf(rule: Pick<Rule, 'mode'>, format: Format, scope: Omit<IntentScope, 'subject'>): Binding {
  const repository = `${scope.registry.identityHost}/${scope.repository}`;
  switch (rule.mode) {
    case 'minimal':
      return format === 'cosign' ? { mode: 'minimal', repository } : { mode: 'minimal' };
    case 'default':
      return { mode: 'default', repository, tag: scope.tag };
  }
}

/** One signature that a rule demands. */
export interface Demand {
  readonly rule: Rule;
  readonly format: Format;
  /** As it stands for this format. */
  readonly signingKey: SigningKey;
}

/** The intents that these rules demand, each once, however many rules demand it. */
export function intentsOf(demands: readonly Demand[], scope: IntentScope): readonly Intent[] {
  const intents = new Map<string, Intent>();
  for (const { rule, format, signingKey } of demands) {
    const parts = { format, algorithm: rule.algorithm, binding: bindingOf(rule, format, scope), signingKey };
    const id = intentId(parts, scope);
    intents.set(id, { id, rules: [...(intents.get(id)?.rules ?? []), rule], ...parts });
  }
  return [...intents.values()];
}

function intentId(
  { format, algorithm, binding, signingKey }: Pick<Intent, 'format' | 'algorithm' | 'binding' | 'signingKey'>,
  { registry, repository, subject }: IntentScope,
): string {
  const parts = [
    registry.name,
    repository,
    subject.digest,
    'index',
    format,
    algorithm,
    signingKey.publicKeySha256,
    // A format without certificates has one intent for all certificates of its key.
    sha256Hex(Buffer.concat(signingKey.certificateChain)),
    [binding.repository, binding.mode === 'default' ? binding.tag : undefined].filter((part) => part !== undefined),
  ];
  return sha256Hex(JSON.stringify(parts));
}
