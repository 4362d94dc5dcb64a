import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RamIdentity } from '../../../src/alibaba/ram/ram-identities.ts';
import { planRam } from '../../../src/alibaba/ram/ram-plan.ts';
import type { CredentialsSource } from '../../../src/alibaba/sts-credentials.ts';
import { createKeyOpener } from '../../../src/commands/open-keys.ts';
import { sha256Hex } from '../../../src/domain/digest.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import type { Key } from '../../../src/rules/rule-set.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { sample, sampleConfig } from '../../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../../emulator/start-emulator.ts';
import { cutsOf } from '../../support/ram-cuts.ts';
import { failureOf, permanentKey } from './account.ts';

// What `ram print` says is what the emulated RAM is given, and the service itself does its work under it.
const ruleSet = await loadRuleSet(join(import.meta.dirname, '../../../infra/ram/rules.yaml'));
const identityArn = sample.worker.arn;
const accountOf = (arn: string) => arn.split(':')[3] ?? '';

function kmsKeys(): readonly Key[] {
  return [...ruleSet.keys.values()];
}

/** An account where `identities` may do what they are granted, and nobody anything else. */
async function startAccount(identities: readonly RamIdentity[]) {
  const worker = identities.find(({ name }) => name === identityArn);
  const { config, accessKeySecret } = sampleConfig({
    users: [],
    roles: identities
      .filter(({ name }) => name !== identityArn)
      .map(({ name, policy, trustPolicy }) => ({
        arn: name,
        trustPolicy: (trustPolicy?.Statement.length ? trustPolicy : nobody) as typeof nobody,
        policies: (policy?.Statement.length ? [policy] : []) as NonNullable<
          EmulatorConfig['roles']
        >[number]['policies'],
      })),
    keys: kmsKeys().flatMap(({ source, spec }) =>
      source.kind === 'kms'
        ? [
            {
              keyId: source.keyId,
              spec,
              accountId: accountOf(source.roleArn),
              versions: [{ keyVersionId: source.keyVersionId }],
            },
          ]
        : [],
    ),
  });
  const users = [
    { ...sample.worker, accessKeySecret, policies: worker?.policy?.Statement.length ? [worker.policy] : [] },
  ];
  const emulator = await startEmulator({ ...config, users } as EmulatorConfig);
  onTestFinished(() => emulator.close());
  return { emulator, base: permanentKey(accessKeySecret) };
}

/** A role that nobody may assume. */
const nobody = {
  Version: '1' as const,
  Statement: [
    {
      Effect: 'Allow' as const,
      Action: 'sts:AssumeRole' as const,
      Principal: { Service: ['nobody.aliyuncs.com'] },
    },
  ],
};

/** What a worker does with the keys of the rules: looks whether they are the right ones, and signs. */
async function useKeys(emulator: Emulator, base: CredentialsSource): Promise<void> {
  const opener = createKeyOpener(systemClock, base);
  for (const key of kmsKeys()) {
    if (key.source.kind !== 'kms') continue;
    const { keyId, keyVersionId } = key.source;
    const reached: Key = { ...key, source: { ...key.source, endpoint: emulator.url, stsEndpoint: emulator.url } };
    const spki = createPublicKey(emulator.publicKey(keyId, keyVersionId)).export({ type: 'spki', format: 'der' });
    await opener.probe(reached, sha256Hex(spki));
    await (await opener.open(reached)).sign('ECDSA_SHA_256', Buffer.from('a message'));
  }
}

describe('the policies of a worker', () => {
  const { identities } = planRam('worker', { ruleSet, acr: [], identityArn });

  it('are enough for its keys', async () => {
    const { emulator, base } = await startAccount(identities);
    await useKeys(emulator, base);
    expect(emulator.calls.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it.each(cutsOf(identities))('are not enough without $name', async ({ identities: fewer, action }) => {
    const { emulator, base } = await startAccount(fewer);
    const error = await failureOf(useKeys(emulator, base));
    expect(error.message).toContain(action);
    expect(error).toMatchObject({ code: action.endsWith('AssumeRole') ? 'role-refused' : 'key-unusable' });
  });
});
