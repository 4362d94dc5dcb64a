import type { Format, KeySpec, Mode, SigningAlgorithm } from '../domain/algorithm.ts';
import type { Digest } from '../domain/digest.ts';

/** Where something stands in a rules file, for messages; `line` counts from 1. */
export interface Origin {
  readonly file: string;
  readonly line: number;
}

/** The rules file with its includes, checked, defaults filled in, paths absolute. */
export interface RuleSet {
  readonly registries: ReadonlyMap<string, Registry>;
  readonly keys: ReadonlyMap<string, Key>;
  /** In the order of the files. */
  readonly rules: readonly Rule[];
  readonly deny: readonly DenyEntry[];
  /** What the file says of quotas; `quotaOf` answers for each key. */
  readonly quotas: readonly QuotaEntry[];
  /** The main file first, then the included ones; absolute paths. */
  readonly files: readonly string[];
  /** SHA-256 in hex over the bytes of all files: names this state of the rules in the audit file. */
  readonly hash: string;
}

export interface Registry {
  readonly name: string;
  /** Host, with port when it is not 443, that the service connects to. */
  readonly host: string;
  /** The host name that is signed; `host` unless configured. */
  readonly identityHost: string;
  /** Further host names of the same registry (public, VPC, custom). */
  readonly aliases: readonly string[];
  /** Only ever true for a loopback address. */
  readonly plainHttp: boolean;
  readonly login: { readonly username: string; readonly passwordEnv: string } | undefined;
  /** The Enterprise Edition instance behind the host; then it is the login, and the list of what the registry holds. */
  readonly acr: AcrSource | undefined;
  /** Exact token realm URLs that credentials may be sent to. */
  readonly realms: readonly string[];
  readonly webhook:
    | {
        readonly tokenSha256: readonly string[];
        /** What is needed to make triggers that call the webhook; undefined: they are made by hand. */
        readonly trigger: WebhookTrigger | undefined;
      }
    | undefined;
  readonly eventBridge: EventBridgeSource | undefined;
  readonly origin: Origin;
}

/** Which deliveries of EventBridge are those of this registry. */
export interface EventBridgeSource {
  /** The URL of the HTTP target as it is written there, query included. */
  readonly url: string;
  readonly accountId: string;
  readonly instanceId: string;
  readonly region: string;
  /** Lower-case hex, one or two. */
  readonly tokenSha256: readonly string[];
  /** PEM with certificates or public keys; undefined: fetched from the host of the region. */
  readonly certificateFile: string | undefined;
}

export interface WebhookTrigger {
  /** Where ACR reaches the receiver; `/webhooks/acr/<registry>/<token>` follows. */
  readonly url: string;
  /** Where the token is that the hash in the rules file is of. */
  readonly token: { readonly kind: 'env'; readonly name: string } | { readonly kind: 'file'; readonly path: string };
}

export interface AcrSource {
  /** `cri-…` */
  readonly instanceId: string;
  readonly region: string;
  /** The account that owns the instance. */
  readonly accountId: string | undefined;
  /** `host[:port]`, or `http://` with a loopback address; default `cr.<region>.aliyuncs.com`. */
  readonly endpoint: string;
  /** Undefined: the worker's own identity is used as it is. */
  readonly role: { readonly roleArn: string; readonly externalId: string | undefined } | undefined;
  /** As `endpoint`; default `sts.<region>.aliyuncs.com`. */
  readonly stsEndpoint: string;
}

export interface Key {
  readonly name: string;
  readonly spec: KeySpec;
  readonly source: KmsKeySource | KmsInstanceKeySource | LocalKeySource;
  /** PEM, SPKI. */
  readonly publicKeyFile: string | undefined;
  /** Lower-case hex SHA-256 of the SPKI DER. */
  readonly publicKeySha256: string | undefined;
  /** PEM, leaf first, root last. */
  readonly certificateChain: string | undefined;
  readonly trusted: readonly TrustedVersion[];
  readonly renewBeforeMs: number;
  readonly origin: Origin;
}

export interface KmsKeySource {
  readonly kind: 'kms';
  readonly region: string;
  readonly keyId: string;
  readonly keyVersionId: string;
  readonly roleArn: string;
  readonly externalId: string | undefined;
  /** Roles that are assumed before, in this order; empty when the role trusts the worker's own identity. */
  readonly via: readonly { readonly roleArn: string; readonly externalId: string | undefined }[];
  /** How long a session of each of these roles lasts. */
  readonly sessionSeconds: number;
  /** `host[:port]`, or `http://` with a loopback address; default `kms.<region>.aliyuncs.com`. */
  readonly endpoint: string;
  /** Likewise; default `sts.<region>.aliyuncs.com`. */
  readonly stsEndpoint: string;
  /** For what is no cryptographic action; absent: `endpoint`, or the region's shared gateway beside that of a KMS instance. */
  readonly managementEndpoint?: string | undefined;
  /** PEM of the authority that signed the endpoint's certificate. */
  readonly caFile: string | undefined;
}

/** A key of a dedicated KMS instance. What is undefined is left to the environment of the process that signs. */
export interface KmsInstanceKeySource {
  readonly kind: 'kmsInstance';
  readonly keyId: string;
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string | undefined;
  readonly clientKey: ClientKeySource;
  /** PEM of the only authorities that the endpoint's certificate may be signed by. */
  readonly caFile: string | undefined;
  /** For messages. */
  readonly region: string | undefined;
}

type ClientKeySource =
  | {
      /** JSON with a PKCS#12. */
      readonly file: string | undefined;
      /** Name of the variable that holds its password. */
      readonly passwordEnv: string | undefined;
    }
  /** `privateKeyFile`: PEM, unencrypted. */
  | { readonly id: string; readonly privateKeyFile: string };

interface LocalKeySource {
  readonly kind: 'local';
  /** PEM, PKCS#8. */
  readonly privateKeyFile: string;
}

/** An earlier key version or certificate whose signatures still count. */
interface TrustedVersion {
  readonly publicKeyFile: string;
  readonly keyVersionId: string | undefined;
  readonly certificateChain: string | undefined;
}

/** Names a list of glob patterns: `*` stays within one level, `**` crosses levels. */
export interface Selection {
  /** Everything, when absent in the file. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

export interface Rule {
  readonly name: string;
  readonly owner: string | undefined;
  /** `audit` decides and logs only. */
  readonly state: 'sign' | 'audit' | 'off';
  readonly registries: readonly string[];
  /** Undefined: also images without a namespace. */
  readonly namespaces: Selection | undefined;
  readonly repositories: Selection | undefined;
  readonly tags: Selection | undefined;
  readonly mode: Mode;
  readonly key: string;
  readonly algorithm: SigningAlgorithm;
  readonly formats: readonly Format[];
  readonly platforms: 'index' | 'all';
  readonly existing: 'ignore' | 'sign';
  readonly origin: Origin;
}

interface QuotaEntry {
  readonly accountId: string;
  readonly region: string;
  readonly perSecond: number | undefined;
  readonly perDay: number | undefined;
}

export interface DenyEntry {
  readonly digest: Digest;
  readonly reason: string;
  /** Undefined: for good. */
  readonly until: Date | undefined;
  readonly origin: Origin;
}
