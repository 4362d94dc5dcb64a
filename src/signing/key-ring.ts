import { sha256Hex } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signer } from '../ports/signer.ts';
import type { Key, RuleSet } from '../rules/rule-set.ts';
import { loadTrust, type ReadTextFile } from './load-trust.ts';
import type { KeyRing, KeyState, SigningKey } from './signing-key.ts';

export interface LoadKeyRingOptions {
  readonly ruleSet: RuleSet;
  /** The adapter of a key's source. Throws AutosignError `key-unusable` for a key that cannot be used at all. */
  readonly createSigner: (key: Key) => Promise<Signer>;
  /** Asks the key's source whether it is what the rules file says; throws AutosignError `key-unusable` when not. */
  readonly probe: (key: Key, publicKeySha256: string) => Promise<void>;
  readonly readTextFile: ReadTextFile;
  readonly clock: Clock;
}

/**
 * Loads every key that a rule uses: public key, pinned hash, certificates. A key that is not usable is paused with
 * the reason; the others are not touched by it.
 */
export async function loadKeyRing(options: LoadKeyRingOptions): Promise<KeyRing> {
  const used = new Set(options.ruleSet.rules.filter((rule) => rule.state !== 'off').map((rule) => rule.key));
  const keys = [...options.ruleSet.keys.values()].filter((key) => used.has(key.name));
  const states = new Map(await Promise.all(keys.map(async (key) => [key.name, await loadKey(key, options)] as const)));
  return {
    get: (name) => {
      const loaded = states.get(name);
      if (loaded === undefined) return { state: 'paused', reason: `No rule in force uses key ${name}.` };
      return loaded.state === 'ready' ? stillValid(loaded.signingKey, options.clock.now()) : loaded;
    },
  };
}

async function loadKey(key: Key, options: LoadKeyRingOptions): Promise<KeyState> {
  let notAfter: Date | undefined;
  try {
    const signingKey = await loadSigningKey(key, options);
    ({ notAfter } = signingKey.trust.versions[0]);
    await options.probe(key, signingKey.publicKeySha256);
    return { state: 'ready', signingKey };
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    return { state: 'paused', reason: error.message, notAfter };
  }
}

async function loadSigningKey(key: Key, options: LoadKeyRingOptions): Promise<SigningKey> {
  const trust = await loadTrust(key, options.readTextFile);
  const [{ chain, publicKeySha256 }] = trust.versions;
  const [leaf] = chain;
  if (leaf === undefined)
    throw new AutosignError('certificate-invalid', `${key.certificateChain} holds no certificate.`);
  return {
    key,
    signer: await options.createSigner(key),
    publicKeySha256,
    certificateChain: chain,
    certificateSha256: sha256Hex(leaf),
    trust,
  };
}

/** A certificate that is not valid at this moment pauses its key, also when it ends while the service runs. */
function stillValid(signingKey: SigningKey, now: Date): KeyState {
  const [{ notBefore, notAfter }] = signingKey.trust.versions;
  if (now < notBefore) {
    return {
      state: 'paused',
      reason: `its certificate begins on ${notBefore.toISOString()}. Is the clock of this machine right?`,
      notAfter,
    };
  }
  if (now >= notAfter) {
    return {
      state: 'paused',
      reason: `its certificate ended on ${notAfter.toISOString()}; make a new one with "autosign cert issue ${signingKey.key.name}" and name it in certificateChain.`,
      notAfter,
    };
  }
  return { state: 'ready', signingKey };
}
