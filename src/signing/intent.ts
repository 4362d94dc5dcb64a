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

/** What a signature under this rule binds. */
export function bindingOf(
  rule: Pick<Rule, 'mode'>,
  { registry, repository, tag }: Omit<IntentScope, 'subject'>,
): Binding {
  switch (rule.mode) {
    case 'minimal':
      return { mode: 'minimal' };
    case 'default':
      return { mode: 'default', repository: `${registry.identityHost}/${repository}`, tag };
  }
}

/** The intents that these rules demand, each once, however many rules demand it. */
export function intentsOf(
  demands: readonly { readonly rule: Rule; readonly signingKey: SigningKey }[],
  scope: IntentScope,
): readonly Intent[] {
  const intents = new Map<string, Intent>();
  for (const { rule, signingKey } of demands) {
    for (const format of rule.formats) {
      const binding = bindingOf(rule, scope);
      const parts = { format, algorithm: rule.algorithm, binding, signingKey };
      const id = intentId(parts, scope);
      intents.set(id, { id, rules: [...(intents.get(id)?.rules ?? []), rule], ...parts });
    }
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
    sha256Hex(Buffer.concat(signingKey.certificateChain)),
    binding.mode === 'default' ? [binding.repository, binding.tag] : [],
  ];
  return sha256Hex(JSON.stringify(parts));
}
