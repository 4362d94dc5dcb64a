import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RamIdentity } from '../../../src/alibaba/ram/ram-identities.ts';
import type { CredentialsSource } from '../../../src/alibaba/sts-credentials.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import type { KmsKeySource, Registry, RuleSet } from '../../../src/rules/rule-set.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { sample, sampleConfig } from '../../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../../emulator/start-emulator.ts';
import { permanentKey } from './account.ts';

/** The folder whose policies are tested. */
export const ramFolder = join(import.meta.dirname, '../../../infra/ram');
/** Its rules. */
export const ramRules = await loadRuleSet(join(ramFolder, 'rules.yaml'));
/** A namespace for each pattern of them. */
export const namespaces = ['prod', 'team-a', 'partner'] as const;
/** Who runs the part of the service. */
export const identityArn = sample.worker.arn;

type RoleConfig = NonNullable<EmulatorConfig['roles']>[number];

/** An account that holds what the rules name, in which `identities` may do what they are granted and nobody else anything. */
export interface RamAccount {
  readonly emulator: Emulator;
  /** Of who runs the part. */
  readonly base: CredentialsSource;
  /** The rules, with their endpoints in the emulator. */
  readonly ruleSet: RuleSet;
}

/** @param upstream `127.0.0.1:PORT` of a registry behind the instance */
export async function startRamAccount(
  identities: readonly RamIdentity[],
  upstream: string,
  ruleSet: RuleSet = ramRules,
): Promise<RamAccount> {
  const { config, accessKeySecret } = sampleConfig({
    roles: identities.filter(({ name }) => name !== identityArn).map(roleOf),
    keys: [...ruleSet.keys.values()].flatMap(({ source, spec }) =>
      source.kind === 'kms' ? [keyOf(source, spec)] : [],
    ),
    acr: {
      instances: [
        { instanceId: 'cri-example', upstream, redirectBlobs: false, namespaces: namespaces.map((name) => ({ name })) },
      ],
    },
  });
  const own = identities.find(({ name }) => name === identityArn);
  const users = [{ ...sample.worker, accessKeySecret, policies: policiesOf(own) }];
  const emulator = await startEmulator({ ...config, users });
  onTestFinished(() => emulator.close());
  return { emulator, base: permanentKey(accessKeySecret), ruleSet: reached(emulator, ruleSet) };
}

function roleOf(identity: RamIdentity): RoleConfig {
  const { name: arn, trustPolicy = nobody } = identity;
  return { arn, trustPolicy: copyOf(trustPolicy), policies: policiesOf(identity) };
}

function policiesOf(identity: RamIdentity | undefined): NonNullable<RoleConfig['policies']> {
  return identity?.policy === undefined ? [] : [copyOf(identity.policy)];
}

/** The same document, as the emulator's config has it. */
function copyOf<Config>(document: unknown): Config {
  return JSON.parse(JSON.stringify(document));
}

/** A role must have a trust policy. */
const nobody = {
  Version: '1',
  Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: ['nobody.aliyuncs.com'] } }],
};

function keyOf({ keyId, keyVersionId, roleArn }: KmsKeySource, spec: 'RSA_2048' | 'RSA_3072' | 'EC_P256') {
  return { keyId, spec, accountId: roleArn.split(':')[3], versions: [{ keyVersionId }] };
}

function reached({ url, acr }: Emulator, ruleSet: RuleSet): RuleSet {
  const { registry } = acr.instance('cri-example');
  const at = { endpoint: url, stsEndpoint: url };
  const reachedRegistry = (entry: Registry): Registry => ({
    ...entry,
    host: registry.host,
    plainHttp: true,
    realms: [registry.realm],
    acr: entry.acr && { ...entry.acr, ...at },
  });
  return {
    ...ruleSet,
    registries: new Map([...ruleSet.registries].map(([name, entry]) => [name, reachedRegistry(entry)])),
    keys: new Map(
      [...ruleSet.keys].map(([name, key]) => [
        name,
        key.source.kind === 'kms' ? { ...key, source: { ...key.source, ...at } } : key,
      ]),
    ),
  };
}
