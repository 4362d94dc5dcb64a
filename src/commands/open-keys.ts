import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import type { KmsCall } from '../alibaba/kms-call.ts';
import type { KmsInstanceKey } from '../alibaba/kms-instance-key.ts';
import { createKmsKey, type KmsKey } from '../alibaba/kms-key.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import { sha256Hex } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { keySpecOf } from '../keys/key-spec.ts';
import { createLocalSigner, publicKeyOf } from '../keys/local-key.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import type { Signer } from '../ports/signer.ts';
import type { Key, KmsInstanceKeySource, KmsKeySource } from '../rules/rule-set.ts';
import { instanceFault } from './instance-settings.ts';
import { createInstanceKeys, type InstanceKeys } from './open-instance-keys.ts';

/** How long one call to STS or KMS may take; the slowest documented calls answer within a second. */
export const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };

/** A key of the rules file, opened: it signs, and tells its public key. */
interface OpenedKey extends Signer {
  /** PEM, SPKI. */
  getPublicKey(): Promise<string>;
  /** The ids of its versions, where a key has several. */
  listVersions?(): Promise<readonly string[]>;
}

export interface KeyOpener {
  open(key: Key): Promise<OpenedKey>;
  /** Asks the key's source whether it is what the rules file says; remembers keys that were. */
  probe(key: Key, publicKeySha256: string): Promise<void>;
}

/**
 * Opens keys: local ones from their file, those in KMS through their role, those of a KMS instance with their ClientKey.
 * A KMS key stays open while the rules name it, so that its session outlives a reload.
 * @param onCall told of each call to KMS, with the name of its key
 */
export function createKeyOpener(
  clock: Clock = systemClock,
  base: CredentialsSource = createBaseCredentials(),
  onCall: (call: KmsCall & { readonly key: string }) => void = () => undefined,
  instanceKeys: InstanceKeys = createInstanceKeys({ clock, timeouts, env: process.env }),
): KeyOpener {
  const kmsKeys = new Map<string, KmsKey>();
  const probed = new Set<string>();
  // A key that is opened with another ClientKey is another one to ask.
  const probedInstances = new WeakMap<KmsInstanceKey, string>();

  function kmsKey(key: string, source: KmsKeySource): KmsKey {
    const id = JSON.stringify([key, source]);
    const counted = (call: KmsCall) => onCall({ ...call, key });
    const opened = kmsKeys.get(id) ?? createKmsKey({ source, base, clock, timeouts, onCall: counted });
    kmsKeys.set(id, opened);
    return opened;
  }

  function instanceKey(key: Key, source: KmsInstanceKeySource): Promise<KmsInstanceKey> {
    return instanceKeys.open(key, source, (call) => onCall({ ...call, key: key.name }));
  }

  return {
    open: async (key) => {
      const { name, source, spec } = key;
      if (source.kind === 'kms') return kmsKey(name, source);
      if (source.kind === 'kmsInstance') return instanceKey(key, source);
      const privateKeyPem = await readPrivateKey(name, source.privateKeyFile);
      return { ...createLocalSigner({ privateKeyPem, spec }), getPublicKey: async () => publicKeyOf(privateKeyPem) };
    },
    probe: async (key, publicKeySha256) => {
      if (key.source.kind === 'local') return;
      if (key.source.kind === 'kmsInstance') {
        const opened = await instanceKey(key, key.source);
        const wanted = `${key.spec} ${publicKeySha256}`;
        if (probedInstances.get(opened) === wanted) return;
        await probeInstanceKey(key, opened, publicKeySha256);
        probedInstances.set(opened, wanted);
        return;
      }
      const id = JSON.stringify([key.source, key.spec, publicKeySha256]);
      if (probed.has(id)) return;
      await probeKmsKey(key, kmsKey(key.name, key.source), publicKeySha256);
      probed.add(id);
    },
  };
}

/** Signatures with another key than the pinned one would be refused one by one; this says it once, and why. */
async function probeKmsKey(key: Key, kms: KmsKey, publicKeySha256: string): Promise<void> {
  const refuse = (reason: string): never => {
    throw new AutosignError('key-unusable', `${key.origin.file}:${key.origin.line}: key ${key.name}: ${reason}`);
  };
  const { spec, usage, state } = await kms.describe();
  if (spec !== key.spec) refuse(`spec is ${key.spec}, KMS says ${spec}`);
  if (usage !== 'SIGN/VERIFY') refuse(`its usage in KMS is ${usage}; a key for SIGN/VERIFY is needed`);
  if (state !== 'Enabled') refuse(`its state in KMS is ${state}; enable it there`);
  const found = sha256Hex(createPublicKey(await kms.getPublicKey()).export({ type: 'spki', format: 'der' }));
  if (found !== publicKeySha256) refuse(`publicKeySha256 is ${publicKeySha256}, the key version in KMS has ${found}`);
}

/** All that a KMS instance tells of a key; that it does not sign shows itself at the first signature. */
async function probeInstanceKey(key: Key, opened: KmsInstanceKey, publicKeySha256: string): Promise<void> {
  const publicKey = createPublicKey(await opened.getPublicKey());
  const spec = keySpecOf(publicKey) ?? 'of no supported spec';
  if (spec !== key.spec) throw instanceFault(key, `spec is ${key.spec}, the key in the KMS instance is ${spec}`);
  const found = sha256Hex(publicKey.export({ type: 'spki', format: 'der' }));
  if (found === publicKeySha256) return;
  throw instanceFault(key, `publicKeySha256 is ${publicKeySha256}, the key in the KMS instance has ${found}`);
}

async function readPrivateKey(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new AutosignError(
      'key-unusable',
      `Key ${name}: ${file} cannot be read. Check that it is there and who may read it.`,
      { cause },
    );
  }
}
