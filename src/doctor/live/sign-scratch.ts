import type { Format } from '../../domain/algorithm.ts';
import type { FetchedManifest } from '../../domain/descriptor.ts';
import type { Digest } from '../../domain/digest.ts';
import type { IntentStore } from '../../ports/intent-store.ts';
import type { Registry, Rule } from '../../rules/rule-set.ts';
import { intentsOf } from '../../signing/intent.ts';
import { type ProduceSignatureTools, produceSignature } from '../../signing/produce-signature.ts';
import type { SigningKey } from '../../signing/signing-key.ts';

export interface SignScratchOptions {
  readonly registry: Registry;
  readonly repository: string;
  readonly tag: string;
  /** Whose key, algorithm, mode and format are used; it need not cover the repository. */
  readonly rule: Rule;
  readonly format: Format;
  readonly signingKey: SigningKey;
  readonly tools: Omit<ProduceSignatureTools, 'intents'>;
}

/**
 * One more signature of the scratch image by steps 8 to 10 of a push (src/README.md). Finished artifacts are kept in
 * memory alone, so that each call makes a new one, and nothing of it stays in Redis.
 * @throws as `produceSignature`
 */
export async function signScratch(manifest: FetchedManifest, options: SignScratchOptions): Promise<Digest> {
  const { registry, repository, tag, rule, format, signingKey, tools } = options;
  const scope = { registry, repository, tag, subject: manifest.descriptor };
  const [intent] = intentsOf([{ rule, format, signingKey }], scope);
  if (intent === undefined) throw new Error('a demand has an intent');
  const event = { kind: 'doctor' };
  const signed = await produceSignature(intent, { ...scope, event, manifest }, { ...tools, intents: inMemory() });
  if (signed === 'moved') throw new Error('the tag of the scratch image was moved by somebody else');
  return signed;
}

function inMemory(): IntentStore {
  const kept = new Map<string, Uint8Array>();
  return {
    get: async (id) => kept.get(id),
    putIfAbsent: async (id, bytes) => {
      const before = kept.get(id);
      kept.set(id, before ?? bytes);
      return before ?? bytes;
    },
  };
}
