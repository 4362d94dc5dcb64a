import type { Format, KeySpec, SigningAlgorithm } from '../domain/algorithm.ts';
import { durationMs } from './duration.ts';
import { below, type Entry, type Place, problemAt } from './entry.ts';
import type { Problem } from './problem.ts';
import { defaultFormats, defaultRenewBefore, type RuleOption, ruleOption } from './rule-options.ts';
import type { DefaultsEntry, KeyEntry, RuleEntry } from './rules-file-schema.ts';

/** KMS API, AsymmetricSign: the algorithms of each key specification. */
const algorithmsOfSpec: Readonly<Record<KeySpec, readonly SigningAlgorithm[]>> = {
  RSA_2048: ['RSA_PSS_SHA_256', 'RSA_PKCS1_SHA_256'],
  RSA_3072: ['RSA_PSS_SHA_256', 'RSA_PKCS1_SHA_256'],
  EC_P256: ['ECDSA_SHA_256'],
};

/** What the key or a verifier would reject of a rule, told from the key's `spec` without asking anyone. */
export function checkRule(
  rule: Entry<RuleEntry>,
  defaults: Entry<DefaultsEntry>,
  key: Entry<KeyEntry> | undefined,
): readonly Problem[] {
  return [
    ...checkAlgorithm(rule, key),
    ...formatsOf(rule, defaults).flatMap(({ value: format, ...where }) => {
      const fault = findFormatFault(format, rule, defaults, key?.value.spec);
      return fault === undefined ? [] : [problemAt(where.place, forRule(rule, where, fault))];
    }),
    ...checkExpiry(rule, defaults, key),
  ];
}

function checkAlgorithm(rule: Entry<RuleEntry>, key: Entry<KeyEntry> | undefined): readonly Problem[] {
  if (key === undefined) return [];
  const { name, spec } = key.value;
  const possible = algorithmsOfSpec[spec];
  if (possible.includes(rule.value.algorithm)) return [];
  const advice = `a key of spec ${spec} cannot make ${rule.value.algorithm}; write ${possible.join(' or ')}, or take another key than "${name}"`;
  return [problemAt(below(rule, 'algorithm'), advice)];
}

/** The formats of a rule; one that follows from the algorithm is blamed on that. */
function formatsOf(rule: Entry<RuleEntry>, defaults: Entry<DefaultsEntry>): readonly RuleOption<Format>[] {
  const written = ruleOption(rule, defaults, 'formats');
  if (written === undefined) {
    const place: Place = below(rule, 'algorithm');
    return defaultFormats(rule.value.algorithm).map((value) => ({ value, place, isShared: false }));
  }
  return written.value.map((value, index) => ({ ...written, value, place: below(written.place, index) }));
}

function findFormatFault(
  format: Format,
  rule: Entry<RuleEntry>,
  defaults: Entry<DefaultsEntry>,
  spec: KeySpec | undefined,
): string | undefined {
  const { algorithm } = rule.value;
  switch (format) {
    case 'notation':
      // Notary Project signature-specification.md, "Algorithm Selection".
      if (algorithm === 'RSA_PKCS1_SHA_256') {
        return 'notation cannot be made with RSA_PKCS1_SHA_256: Notary Project signatures by RSA keys are RSASSA-PSS; write RSA_PSS_SHA_256 or the format cosign';
      }
      if (spec === 'RSA_3072') {
        return 'notation cannot be made with a key of spec RSA_3072: the Notary Project specification demands SHA-384 for it, and KMS signs SHA-256 only; take a key of spec RSA_2048 or EC_P256';
      }
      return undefined;
    case 'cosign':
      if (algorithm === 'RSA_PSS_SHA_256') {
        return 'cosign cannot be made with RSA_PSS_SHA_256: cosign takes RSA signatures as PKCS #1 v1.5 only; write RSA_PKCS1_SHA_256 in a rule of its own, or take a key of spec EC_P256';
      }
      return undefined;
    case 'attestation':
      if ((ruleOption(rule, defaults, 'mode')?.value ?? 'minimal') === 'minimal') {
        return 'attestation cannot be made in mode minimal: kritis binds the repository; write mode: default or leave attestation out';
      }
      return undefined;
  }
}

/** Otherwise a signature would be renewed before half of its life is over, again and again. */
function checkExpiry(
  rule: Entry<RuleEntry>,
  defaults: Entry<DefaultsEntry>,
  key: Entry<KeyEntry> | undefined,
): readonly Problem[] {
  const expiry = ruleOption(rule, defaults, 'expiry');
  if (expiry === undefined || key === undefined) return [];
  const renewBefore = key.value.renewBefore ?? defaultRenewBefore;
  if (durationMs(expiry.value) > 2 * durationMs(renewBefore)) return [];
  const fault = `${expiry.value} is not more than twice renewBefore (${renewBefore}) of key "${key.value.name}"; make expiry longer or renewBefore shorter`;
  return [problemAt(expiry.place, forRule(rule, expiry, fault))];
}

/** What stands in `defaults` is wrong for some rule: say for which. */
function forRule(rule: Entry<RuleEntry>, where: { readonly isShared: boolean }, fault: string): string {
  return where.isShared ? `for rule "${rule.value.name}": ${fault}` : fault;
}
