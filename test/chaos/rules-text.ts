import { stringify } from 'yaml';

/** A registry as the services are to see it. */
export interface GroupRegistry {
  /** In rules, jobs and the webhook's path. */
  readonly name: string;
  /** `127.0.0.1:PORT` of the registry or of a proxy before it. */
  readonly host: string;
  /** Absent: no login. */
  readonly login?: {
    readonly username: string;
    readonly password: string;
    /** The exact address of the token service, as the registry names it. */
    readonly realm: string;
  };
  /** An instance of ACR, whose token gives the login: the fields of `acr`, and the address of its token service. */
  readonly acr?: { readonly fields: Readonly<Record<string, string>>; readonly realm: string };
}

export interface RulesTextOptions {
  readonly registries: readonly GroupRegistry[];
  /** Hash of the token in a registry's webhook URL, in hex; each registry has its own. */
  readonly tokenSha256Of: (registry: string) => string;
  readonly publicKeySha256: string;
  /** Fields of the key's `kms`; absent: the private key in `release.pem`. */
  readonly kms?: Readonly<Record<string, string>> | undefined;
  /** Fields of the one rule that replace or add to those of `defaultRule`. */
  readonly rule?: Readonly<Record<string, unknown>> | undefined;
  /** Further keys, whose files stand beside the rules. */
  readonly moreKeys?: readonly Readonly<Record<string, unknown>>[] | undefined;
  /** Further rules. */
  readonly moreRules?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly deny?: readonly { readonly digest: string; readonly reason: string }[] | undefined;
}

/** Every tag but `unwanted` of every repository in `prod`, what stands included, in mode `default`. */
const defaultRule = {
  name: 'chaos-images',
  namespaces: { include: ['prod'] },
  tags: { exclude: ['unwanted'] },
  mode: 'default',
  existing: 'sign',
  key: 'release',
  algorithm: 'ECDSA_SHA_256',
};

/** The name that signatures bind: the same whatever proxy a worker goes through. */
export function identityHostOf(registry: string): string {
  return `${registry}.example.com`;
}

/** The variable that holds the password of a registry's robot. */
export function passwordEnvOf(registry: string): string {
  return `${registry.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
}

/** A rules file with one key, `release`, whose files are `release.pem`, `release.pub.pem` and `release.crt.pem`. */
export function rulesText(options: RulesTextOptions): string {
  const registries = options.registries.map(({ name, host, login, acr }) => ({
    name,
    host,
    identityHost: identityHostOf(name),
    plainHttp: true,
    ...(login && { login: { username: login.username, passwordEnv: passwordEnvOf(name) }, realms: [login.realm] }),
    ...(acr && { acr: acr.fields, realms: [acr.realm] }),
    webhook: { tokenSha256: [options.tokenSha256Of(name)] },
  }));
  const source = options.kms === undefined ? { local: { privateKeyFile: 'release.pem' } } : { kms: options.kms };
  const key = {
    name: 'release',
    spec: 'EC_P256',
    ...source,
    publicKeyFile: 'release.pub.pem',
    publicKeySha256: options.publicKeySha256,
    certificateChain: 'release.crt.pem',
  };
  const names = options.registries.map(({ name }) => name);
  const rules = [{ ...defaultRule, ...options.rule }, ...(options.moreRules ?? [])];
  return stringify({
    version: 1,
    registries,
    keys: [key, ...(options.moreKeys ?? [])],
    rules: rules.map((rule) => ({ registries: names, ...rule })),
    ...(options.deny && { deny: options.deny }),
  });
}
