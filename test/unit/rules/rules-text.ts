import { join } from 'node:path';
import type { FileAccess } from '../../../src/rules/file-access.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import type { RuleSet } from '../../../src/rules/rule-set.ts';

/** A sound rules file in which each part can be exchanged; the parts begin at lines 2, 3, 4 and so on. */
export function rulesText(
  parts: Partial<Record<'defaults' | 'registry' | 'key' | 'rule' | 'rest', string>> = {},
): string {
  const { defaults = '{}', registry = '', key = '', rule = '', rest = '' } = parts;
  return [
    'version: 1',
    `defaults: ${defaults}`,
    'registries:',
    `  - { name: lab, host: registry.example.com${registry} }`,
    'keys:',
    '  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }',
    '  - { name: rsa, spec: RSA_2048, local: { privateKeyFile: rsa.pem } }',
    '  - { name: big, spec: RSA_3072, local: { privateKeyFile: big.pem } }',
    `  - { name: extra, spec: EC_P256${key === '' ? ', local: { privateKeyFile: x.pem }' : key} }`,
    'rules:',
    `  - { name: all, registries: [lab]${rule === '' ? ', key: dev, algorithm: ECDSA_SHA_256' : rule} }`,
    rest,
  ].join('\n');
}

/** Files that exist only as text. */
export function textAccess(files: Readonly<Record<string, string | Uint8Array>>): FileAccess {
  return {
    readFile: async (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return Buffer.from(text);
    },
    listDirectory: async (path) => {
      const prefix = path === '.' ? '' : join(path, '/');
      const below = Object.keys(files).filter((name) => name.startsWith(prefix));
      if (below.length === 0) throw new Error('no such directory');
      return [...new Set(below.map((name) => name.slice(prefix.length).split('/')[0] ?? ''))];
    },
  };
}

export function loadText(text: string | Uint8Array, others: Readonly<Record<string, string>> = {}): Promise<RuleSet> {
  return loadRuleSet('rules.yaml', { access: textAccess({ 'rules.yaml': text, ...others }) });
}

/** The lines of the error that loading ends with. */
export async function refusalOf(
  text: string | Uint8Array,
  others: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const outcome = await loadText(text, others).catch((error: unknown) => error);
  if (!(outcome instanceof Error) || !('code' in outcome) || outcome.code !== 'rules-invalid') {
    throw new Error(`expected rules-invalid, got ${String(outcome)}`);
  }
  return outcome.message.split('\n');
}
