import type { Format } from '../domain/algorithm.ts';
import { sha256Hex } from '../domain/digest.ts';
import { isAutosignError } from '../domain/errors.ts';
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
 * Loads every key that a rule uses: public key, pinned hash, and certificates for the formats that carry them. A key
 * that is not usable is paused with the reason; the others are not touched by it.
 */
export async function loadKeyRing(options: LoadKeyRingOptions): Promise<KeyRing> {
  const { ruleSet, clock } = options;
  const used = Map.groupBy(
    ruleSet.rules.filter((rule) => rule.state !== 'off'),
    (rule) => rule.key,
  );
  const keys = [...ruleSet.keys.values()].filter((key) => used.has(key.name));
  const load = async (key: Key) => {
    const formats = (used.get(key.name) ?? []).flatMap((rule) => rule.formats);
    return [key.name, await loadKey(key, new Set(formats), options)] as const;
  };
  const loaded = new Map(await Promise.all(keys.map(load)));
  return {
    get: (name, format) => {
      const states = loaded.get(name);
      if (states === undefined) return { state: 'paused', reason: `No rule in force uses key ${name}.` };
      const asked = format === undefined ? [...states.values()] : [states.get(format) ?? notDemanded(name, format)];
      const now = asked.map((state) => (state.state === 'ready' ? stillValid(state.signingKey, clock.now()) : state));
      return now.find(({ state }) => state === 'paused') ?? now[0] ?? notDemanded(name, 'any format');
    },
  };
}

function notDemanded(name: string, format: string): KeyState {
  return { state: 'paused', reason: `No rule in force demands ${format} of key ${name}.` };
}

/** One after the other, so that the key's source is asked once. */
async function loadKey(
  key: Key,
  formats: ReadonlySet<Format>,
  options: LoadKeyRingOptions,
): Promise<ReadonlyMap<Format, KeyState>> {
  const states = new Map<Format, KeyState>();
  for (const format of formats) states.set(format, await loadKeyFor(format, key, options));
  return states;
}

async function loadKeyFor(format: Format, key: Key, options: LoadKeyRingOptions): Promise<KeyState> {
  let notAfter: Date | undefined;
  try {
    const signingKey = await loadSigningKey(format, key, options);
    ({ notAfter } = signingKey.trust.versions[0]);
    await options.probe(key, signingKey.publicKeySha256);
    return { state: 'ready', signingKey };
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    return { state: 'paused', reason: error.message, notAfter };
  }
}

async function loadSigningKey(format: Format, key: Key, options: LoadKeyRingOptions): Promise<SigningKey> {
  const trust = await loadTrust(key, format, options.readTextFile);
  const [{ chain, publicKeySha256 }] = trust.versions;
  const [leaf] = chain;
  return {
    key,
    signer: await options.createSigner(key),
    publicKeySha256,
    certificateChain: chain,
    certificateSha256: leaf && sha256Hex(leaf),
    trust,
  };
}

/** A certificate that is not valid at this moment pauses its key, also when it ends while the service runs. */
function stillValid(signingKey: SigningKey, now: Date): KeyState {
  const [{ notBefore, notAfter }] = signingKey.trust.versions;
  if (notBefore !== undefined && now < notBefore) {
    return {
      state: 'paused',
      reason: `its certificate begins on ${notBefore.toISOString()}. Is the clock of this machine right?`,
      notAfter,
    };
  }
  if (notAfter !== undefined && now >= notAfter) {
    return {
      state: 'paused',
      reason: `its certificate ended on ${notAfter.toISOString()}; make a new one with "autosign cert issue ${signingKey.key.name}" and name it in certificateChain.`,
      notAfter,
    };
  }
  return { state: 'ready', signingKey };
}
