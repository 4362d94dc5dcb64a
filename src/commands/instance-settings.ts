import { resolve } from 'node:path';
import { AutosignError } from '../domain/errors.ts';
import type { Key, KmsInstanceKeySource } from '../rules/rule-set.ts';

/** Where a key of a KMS instance is and what it is used with, nothing left open. */
export interface InstanceSettings {
  readonly endpoint: string;
  readonly keyId: string;
  readonly clientKey:
    | { readonly file: string; readonly password: string }
    | { readonly id: string; readonly privateKeyFile: string };
  readonly caFile: string | undefined;
  readonly region: string | undefined;
}

/** The variables of Alibaba's own plugin for notation, https://github.com/AliyunContainerService/notation-alibabacloud-secret-manager. */
const variables = {
  endpoint: 'ALIBABA_CLOUD_KMS_INSTANCE_ENDPOINT',
  clientKeyFile: 'ALIBABA_CLOUD_KMS_CLIENTKEY_FILEPATH',
  password: 'ALIBABA_CLOUD_KMS_PASSWORD',
  caFile: 'ALIBABA_CLOUD_KMS_CA_FILEPATH',
  region: 'ALIBABA_CLOUD_KMS_REGION_ID',
} as const;

/**
 * Fills what the rules file leaves out of a key of a KMS instance from the environment.
 * @throws AutosignError `key-unusable` that names field and variable of what is in neither
 */
export function readInstanceSettings(
  key: Key,
  source: KmsInstanceKeySource,
  environment: NodeJS.ProcessEnv,
): InstanceSettings {
  // An empty variable counts as not set.
  const variable = (name: string): string | undefined => environment[name] || undefined;
  const missing = (what: string): AutosignError => instanceFault(key, `${what}.`);
  // Alibaba's SDKs take the endpoint with a scheme too.
  const endpoint = source.endpoint ?? variable(variables.endpoint)?.replace(/^https:\/\/([^/]*)\/?$/, '$1');
  if (endpoint === undefined) throw missing(`endpoint is missing; write it, or set ${variables.endpoint}`);
  const { keyId } = source;
  const caFile = source.caFile ?? pathOf(variable(variables.caFile));
  const region = source.region ?? variable(variables.region);
  if ('id' in source.clientKey) return { endpoint, keyId, clientKey: source.clientKey, caFile, region };
  const file = source.clientKey.file ?? pathOf(variable(variables.clientKeyFile));
  if (file === undefined) throw missing(`clientKeyFile is missing; write it, or set ${variables.clientKeyFile}`);
  const passwordEnv = source.clientKey.passwordEnv ?? variables.password;
  const password = variable(passwordEnv);
  if (password === undefined) {
    throw missing(`the variable ${passwordEnv} is not set; put the password of ${file} there`);
  }
  return { endpoint, keyId, clientKey: { file, password }, caFile, region };
}

function pathOf(variable: string | undefined): string | undefined {
  return variable === undefined ? undefined : resolve(variable);
}

/** A fault of a key's entry, with its place; `cause` is kept. */
export function instanceFault({ name, origin }: Key, what: string, cause?: unknown): AutosignError {
  return new AutosignError('key-unusable', `${origin.file}:${origin.line}: key ${name}: ${what}`, { cause });
}
