import { readFile } from 'node:fs/promises';
import { systemClock } from '../ports/clock.ts';
import type { Signer } from '../ports/signer.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { loadKeyRing } from '../signing/key-ring.ts';
import type { KeyRing } from '../signing/signing-key.ts';

/**
 * The keys of the rules for whoever only looks at signatures: public keys and certificates, with which nothing can be
 * signed. No private key is opened and KMS is not asked, so a key that is disabled there counts as ready.
 */
export function loadPublicKeyRing(ruleSet: RuleSet): Promise<KeyRing> {
  return loadKeyRing({
    ruleSet,
    createSigner: async () => nobody,
    probe: async () => undefined,
    readTextFile: (file) => readFile(file, 'utf8'),
    clock: systemClock,
  });
}

const nobody: Signer = {
  sign: () => Promise.reject(new Error('this command does not sign')),
};
