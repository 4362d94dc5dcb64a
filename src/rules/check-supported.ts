import { below, type Entry, type Place, problemAt } from './entry.ts';
import type { Problem } from './problem.ts';
import type { DefaultsEntry, KeyEntry, RegistryEntry, RuleEntry } from './rules-file-schema.ts';

// What the file may say one day and this version cannot do yet is refused: a value that were ignored would make
// somebody believe in signatures that nobody makes.

export function checkRegistrySupported(registry: Entry<RegistryEntry>): readonly Problem[] {
  return registry.value.acr === undefined
    ? []
    : [notYet(below(registry, 'acr'), 'the login of an ACR instance', 'use login with a user name and passwordEnv')];
}

export function checkKeySupported(key: Entry<KeyEntry>): readonly Problem[] {
  return key.value.kmsInstance === undefined
    ? []
    : [notYet(below(key, 'kmsInstance'), 'a key of a KMS instance with ClientKey', 'use kms')];
}

/** `wasRefused`: something else is wrong with the rule, which is the better reason not to use an RSA_3072 key. */
export function checkRuleSupported(
  rule: Entry<RuleEntry>,
  key: Entry<KeyEntry> | undefined,
  wasRefused: boolean,
): readonly Problem[] {
  const problems = [...checkOptionsSupported(rule)];
  if (rule.value.algorithm === 'RSA_PKCS1_SHA_256') {
    problems.push(
      notYet(below(rule, 'algorithm'), 'RSA_PKCS1_SHA_256', 'use RSA_PSS_SHA_256 or a key of spec EC_P256'),
    );
  }
  if (key?.value.spec === 'RSA_3072' && !wasRefused) {
    problems.push(notYet(below(rule, 'key'), 'signing with a key of spec RSA_3072', 'use RSA_2048 or EC_P256'));
  }
  return problems;
}

/** The options that a rule and `defaults` share. */
export function checkOptionsSupported(options: Entry<DefaultsEntry>): readonly Problem[] {
  const { formats = [], platforms, envelope, expiry, timestamp, cosign } = options.value;
  const problems = formats.flatMap((format, index) =>
    format === 'notation' ? [] : [notYet(below(options, 'formats', index), `the format ${format}`, 'use notation')],
  );
  if (platforms === 'all') problems.push(notYet(below(options, 'platforms'), 'platforms: all', 'use index'));
  if (envelope === 'cose') problems.push(notYet(below(options, 'envelope'), 'envelope: cose', 'use jws'));
  if (expiry !== undefined) problems.push(notYet(below(options, 'expiry'), 'expiry', 'leave it out'));
  if (timestamp !== undefined) problems.push(notYet(below(options, 'timestamp'), 'timestamp', 'leave it out'));
  if (cosign !== undefined) problems.push(notYet(below(options, 'cosign'), 'cosign', 'leave it out'));
  return problems;
}

function notYet(place: Place, what: string, advice: string): Problem {
  return problemAt(place, `${what} is not supported yet; ${advice}`);
}
