import { Redis } from 'ioredis';
import { createBaselineStore } from '../../src/coordination/baseline-store.ts';
import { createIntentStore } from '../../src/coordination/intent-store.ts';
import { createRedisLock } from '../../src/coordination/redis-lock.ts';
import { hasCertificate, type Mode } from '../../src/domain/algorithm.ts';
import { sha256Hex } from '../../src/domain/digest.ts';
import { builtFormats } from '../../src/formats/built-formats.ts';
import type { AuditEntry } from '../../src/observability/audit.ts';
import type { BaselineStore } from '../../src/ports/baseline.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { unlimitedQuota } from '../../src/ports/quota.ts';
import type { Signer } from '../../src/ports/signer.ts';
import { createCosignTagStore } from '../../src/registry/cosign-tag-store.ts';
import { createRegistryClient } from '../../src/registry/registry-client.ts';
import { createSignatureStore } from '../../src/registry/signature-store.ts';
import type { Key, Registry, Rule, RuleSet } from '../../src/rules/rule-set.ts';
import type { SignImageTools } from '../../src/signing/sign-image.ts';
import type { KeyRing } from '../../src/signing/signing-key.ts';
import { readTrustedVersion } from '../../src/verification/trust.ts';
import { uniquePrefix } from './names.ts';
import { signingCertificate, signingKey } from './signing-keys.ts';

export interface FixtureOptions {
  readonly redisUrl: string;
  readonly host: string;
  readonly spec?: 'RSA_2048' | 'EC_P256';
  readonly mode?: Mode;
  /** The host name that is signed. */
  readonly identityHost?: string;
  /** Replaces fields of the one rule, `release-images`. */
  readonly rule?: Partial<Rule>;
  readonly deny?: RuleSet['deny'];
  /** What the rules say of the key; absent: a file. It signs with a private key in memory all the same. */
  readonly source?: Key['source'];
  readonly quotas?: RuleSet['quotas'];
}

const origin = { file: 'rules.yaml', line: 1 };
const dayMs = 24 * 3600 * 1000;

/** The pipeline on a real Redis and registry with a real key: everything that `signImage` needs, under a prefix of its own. */
export async function createSigningFixture(options: FixtureOptions) {
  const { redisUrl, host, spec = 'EC_P256', mode = 'default', identityHost = 'registry.example.com' } = options;
  const redis = new Redis(redisUrl);
  const prefix = uniquePrefix('signing');
  const registry: Registry = {
    name: 'lab',
    host,
    identityHost,
    aliases: [],
    plainHttp: true,
    login: undefined,
    acr: undefined,
    realms: [],
    webhook: undefined,
    eventBridge: undefined,
    origin,
  };
  const key = signingKey(spec);
  const chainPem = await signingCertificate(key);
  const version = readTrustedVersion({ publicKeyPem: key.publicKeyPem, spec, keyVersionId: undefined, chainPem });
  const rule: Rule = {
    name: 'release-images',
    owner: undefined,
    state: 'sign',
    registries: ['lab'],
    namespaces: { include: ['prod'], exclude: [] },
    repositories: undefined,
    tags: undefined,
    mode,
    key: 'release',
    algorithm: key.algorithm,
    formats: ['notation'],
    platforms: 'index',
    existing: 'sign',
    origin,
    ...options.rule,
  };
  const keyConfig = {
    name: 'release',
    spec,
    source: options.source ?? { kind: 'local' as const, privateKeyFile: 'release.pem' },
    publicKeyFile: 'release.pub.pem',
    publicKeySha256: key.publicKeySha256,
    certificateChain: 'release.pem',
    trusted: [],
    renewBeforeMs: 30 * dayMs,
    origin,
  };
  const ruleSet: RuleSet = {
    registries: new Map([['lab', registry]]),
    keys: new Map([['release', keyConfig]]),
    rules: [rule],
    deny: options.deny ?? [],
    quotas: options.quotas ?? [],
    files: ['rules.yaml'],
    hash: 'test',
  };
  const calls: Uint8Array[] = [];
  const signer: Signer = {
    sign: (algorithm, message) => {
      calls.push(message);
      return key.signer.sign(algorithm, message);
    },
  };
  const keyRing: KeyRing = {
    get: (_name, format = 'notation') => {
      const { chain, ...of } = hasCertificate(format)
        ? version
        : { ...version, chain: [], notBefore: undefined, notAfter: undefined };
      const [leaf] = chain;
      return {
        state: 'ready',
        signingKey: {
          key: keyConfig,
          signer,
          publicKeySha256: key.publicKeySha256,
          certificateChain: chain,
          certificateSha256: leaf && sha256Hex(leaf),
          trust: { keyName: 'release', versions: [{ ...of, chain }] },
        },
      };
    },
  };
  const client = createRegistryClient({ registry, login: { credentials: async () => undefined }, userAgent: 'test' });
  const lock = createRedisLock({ redis, prefix, leaseMs: 30_000, deadlineMs: 25_000, waitMs: 60_000 });
  const store = createSignatureStore({ client, lock });
  const stores = { referrers: store, 'cosign-tag': createCosignTagStore({ client, lock }) };
  const audited: AuditEntry[] = [];
  const tools: SignImageTools & { readonly baseline: BaselineStore } = {
    ruleSet,
    keyRing,
    stores,
    baseline: createBaselineStore({ redis, prefix }),
    intents: createIntentStore({ redis, prefix, keepMs: dayMs }),
    quota: unlimitedQuota,
    audit: { write: async (entry) => void audited.push(entry), close: async () => undefined },
    clock: systemClock,
    formats: builtFormats,
    resolve: (repository, tag) => client.getManifest(repository, tag),
  };
  return {
    tools,
    registry,
    rule,
    ruleSet,
    client,
    /** Of the referrers. */
    store,
    stores,
    redis,
    prefix,
    chainPem,
    signer,
    /** What the key was asked to sign. */
    calls,
    audited,
    close: async () => {
      await client.close();
      redis.disconnect();
    },
  };
}

export type SigningFixture = Awaited<ReturnType<typeof createSigningFixture>>;
