import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planRam } from '../../../src/alibaba/ram/ram-plan.ts';
import { sample, sampleConfig } from '../../emulator/sample-config.ts';
import { failureOf, startAccount } from './account.ts';
import { identityArn, ramFolder, ramRules } from './ram-account.ts';

async function read(name: string) {
  return JSON.parse(await readFile(join(ramFolder, name), 'utf8'));
}

const files: Readonly<Record<string, string>> = {
  [identityArn]: 'worker',
  'acs:ram::1234567890123456:role/autosign-signer': 'signer',
  'acs:ram::1234567890123456:role/autosign-way': 'way',
  'acs:ram::6543210987654321:role/autosign-signer': 'partner-signer',
};

function printed(): ReadonlyMap<string, unknown> {
  const worker = planRam('worker', { ruleSet: ramRules, identityArn }).identities;
  const documents = worker.flatMap(({ name, policy, trustPolicy }): [string, unknown][] => [
    [`${files[name]}.policy.json`, policy],
    [`${files[name]}.trust.json`, trustPolicy],
  ]);
  for (const role of ['triggers', 'read-only'] as const) {
    documents.push([`${role}.policy.json`, planRam(role, { ruleSet: ramRules, identityArn }).identities[0]?.policy]);
  }
  return new Map(documents.filter(([, document]) => document !== undefined));
}

describe('infra/ram', () => {
  it('holds what ram print says of its rules, and nothing else', async () => {
    const found = (await readdir(ramFolder)).filter((name) => name.endsWith('.json'));
    const expected = printed();
    expect(found.sort()).toEqual([...expected.keys()].sort());
    for (const [name, document] of expected) expect(await read(name), name).toEqual(document);
  });
});

describe('ACR’s documented role', () => {
  async function keyOf(trust: string, policies: string[]) {
    const trustPolicy = await read(trust);
    const documents = await Promise.all(policies.map(read));
    const { config } = sampleConfig({ roles: [{ arn: sample.roleArn, trustPolicy, policies: documents }] });
    return (await startAccount({ roles: config.roles ?? [] })).key();
  }

  it('is refused to a worker as it is documented, and the statement of the refusal is what acr/trust.json adds', async () => {
    const key = await keyOf('acr/trust.documented.json', ['acr/policy.documented.json']);
    const error = await failureOf(key.getPublicKey());
    expect(error).toMatchObject({ code: 'role-refused' });
    const added = JSON.parse(error.message.slice(error.message.indexOf('{')));
    const documented = await read('acr/trust.documented.json');
    expect((await read('acr/trust.json')).Statement).toEqual([...documented.Statement, added]);
  });

  it('serves a worker with acr/trust.json and its own policy', async () => {
    const key = await keyOf('acr/trust.json', ['acr/policy.documented.json']);
    expect(await key.describe()).toMatchObject({ usage: 'SIGN/VERIFY' });
    expect(await key.getPublicKey()).toContain('BEGIN PUBLIC KEY');
    expect((await key.sign('ECDSA_SHA_256', Buffer.from('a message'))).signature.length).toBeGreaterThan(60);
  });

  it('does not serve it without its policy', async () => {
    const key = await keyOf('acr/trust.json', []);
    expect(await failureOf(key.getPublicKey())).toMatchObject({
      code: 'key-unusable',
      message: expect.stringContaining('kms:GetPublicKey'),
    });
  });
});
