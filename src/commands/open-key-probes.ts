import { createPublicKey } from 'node:crypto';
import { createKmsKey, type KmsKey, type KmsKeyOptions } from '../alibaba/kms-key.ts';
import { mayListKeys } from '../alibaba/role-width.ts';
import type { KeyFacts, KeyProbe } from '../doctor/check-keys.ts';
import type { RoleProbe } from '../doctor/check-roles.ts';
import type { SigningAlgorithm } from '../domain/algorithm.ts';
import { sha256Hex } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { keySpecOf } from '../keys/key-spec.ts';
import type { Key, KmsKeySource, RuleSet } from '../rules/rule-set.ts';
import { createInstanceKeys } from './open-instance-keys.ts';
import { createKeyOpener } from './open-keys.ts';

type Shared = Pick<KmsKeyOptions, 'base' | 'clock' | 'timeouts'>;

/** Every key of the rules at its source. */
export function openKeyProbes(
  { keys, rules }: RuleSet,
  { env, ...shared }: Shared & { readonly env: NodeJS.ProcessEnv },
): readonly KeyProbe[] {
  const instanceKeys = createInstanceKeys({ ...shared, env });
  const opener = createKeyOpener(shared.clock, shared.base, () => undefined, instanceKeys);
  return [...keys.values()].map((key) => {
    if (key.source.kind === 'kms') {
      return kmsProbe(key, createKmsKey({ ...shared, source: key.source }), algorithmOf(key, rules));
    }
    const endOf = async () => instanceKeys.ends().find((end) => end.key === key.name)?.notAfter;
    return {
      key,
      readFacts: async () => factsOfPublicKey(await (await opener.open(key)).getPublicKey()),
      trySigning: undefined,
      accessEnds: key.source.kind === 'kmsInstance' ? endOf : undefined,
    };
  });
}

/** Each role of a key once. */
export function openRoleProbes({ keys }: RuleSet, shared: Shared): readonly RoleProbe[] {
  const kms = [...keys.values()].flatMap(({ name, source }) => (source.kind === 'kms' ? [{ name, source }] : []));
  const byRole = Map.groupBy(kms, ({ source }) => source.roleArn);
  return [...byRole].map(([roleArn, using]) => {
    const [first] = using;
    if (first === undefined) throw new Error('a group has a member');
    const { source } = first;
    return {
      roleArn,
      usedFor: using.map(({ name }) => `key ${name}`),
      assume: () => assume(source, shared),
      isWide: () => mayListKeys({ ...shared, source }),
    };
  });
}

/** What the key itself answers to is told with the key; here only whether the role lets itself be assumed. */
async function assume(source: KmsKeySource, shared: Shared): Promise<void> {
  try {
    await createKmsKey({ ...shared, source }).describe();
  } catch (error) {
    if (!isAutosignError(error, 'key-unusable')) throw error;
  }
}

function kmsProbe(key: Key, kms: KmsKey, algorithm: SigningAlgorithm): KeyProbe {
  return {
    key,
    readFacts: async () => {
      const { spec, usage, state } = await kms.describe();
      const { publicKeySha256 } = factsOfPublicKey(await kms.getPublicKey());
      return { spec, usage, state, publicKeySha256, versions: await versionsOf(kms) };
    },
    trySigning: async () => {
      const permission = await kms.maySign(algorithm);
      if (permission === 'allowed') return;
      throw new AutosignError(
        'key-unusable',
        permission === 'denied'
          ? 'KMS would refuse to sign: role or session policy does not allow kms:AsymmetricSign on this key.'
          : `KMS would refuse to sign: it takes no ${algorithm} for this key version.`,
      );
    },
    accessEnds: undefined,
  };
}

/** A worker's role need not be allowed to list them. */
async function versionsOf(kms: KmsKey): Promise<number | undefined> {
  try {
    return (await kms.listVersions()).length;
  } catch (error) {
    if (isAutosignError(error, 'key-unusable')) return undefined;
    throw error;
  }
}

function factsOfPublicKey(pem: string): KeyFacts {
  const publicKey = createPublicKey(pem);
  return {
    spec: keySpecOf(publicKey),
    usage: undefined,
    state: undefined,
    publicKeySha256: sha256Hex(publicKey.export({ type: 'spki', format: 'der' })),
    versions: undefined,
  };
}

function algorithmOf(key: Key, rules: RuleSet['rules']): SigningAlgorithm {
  const used = rules.find((rule) => rule.key === key.name)?.algorithm;
  return used ?? (key.spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PSS_SHA_256');
}
