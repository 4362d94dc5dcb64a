import { AutosignError } from '../domain/errors.ts';
import type { Signer } from '../ports/signer.ts';
import type { KeyRing } from '../signing/signing-key.ts';
import type { Pauses } from './pauses.ts';

/**
 * The key ring as this process may use it: a paused key is paused, and a key whose pause has run out is tried by one
 * caller for all, at the moment when it really is asked to sign. A job that needs no signature takes nobody's turn.
 */
export function withPauses(keyRing: KeyRing, pauses: Pauses): KeyRing {
  return {
    get: (name, format) => {
      const state = keyRing.get(name, format);
      if (state.state === 'paused') return state;
      const reason = pauses.reasonFor('key', name);
      if (reason !== undefined) return { state: 'paused', reason };
      const { signingKey } = state;
      return { state: 'ready', signingKey: { ...signingKey, signer: pausingSigner(signingKey.signer, name, pauses) } };
    },
  };
}

function pausingSigner(signer: Signer, name: string, pauses: Pauses): Signer {
  return {
    sign: async (algorithm, message) => {
      const reason = pauses.admit('key', name);
      // Not a failure of the key: somebody else is finding out about it just now.
      if (reason !== undefined) throw new AutosignError('key-paused', reason);
      // What it answers is verified by others; only then the pause is over.
      return signer.sign(algorithm, message);
    },
  };
}
