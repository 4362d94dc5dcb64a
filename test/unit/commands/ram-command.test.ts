import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ramCommand } from '../../../src/commands/ram-command.ts';

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-ram-'));
  file = join(directory, 'rules.yaml');
  const kms = { region: 'cn-hangzhou', keyId: 'key-1', keyVersionId: 'v1', roleArn: 'acs:ram::1:role/Signer' };
  await writeFile(
    file,
    JSON.stringify({
      version: 1,
      registries: [{ name: 'lab', host: 'registry.example.com' }],
      keys: [{ name: 'release', spec: 'EC_P256', kms: { ...kms, externalId: 'shared-with-the-owner-alone' } }],
      rules: [{ name: 'all', registries: ['lab'], key: 'release', algorithm: 'ECDSA_SHA_256' }],
    }),
  );
});

afterEach(() => rm(directory, { recursive: true }));

/** Runs the command as main does and gives what it printed. */
async function print(...args: readonly string[]): Promise<string> {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    const command = ramCommand();
    for (const each of [command, ...command.commands])
      each.exitOverride().configureOutput({ writeErr: () => undefined });
    await command.parseAsync(['print', '--rules', file, ...args], { from: 'user' });
    return written.join('');
  } finally {
    spy.mockRestore();
  }
}

describe('ram print', () => {
  test('prints every part, with placeholders for who runs it', async () => {
    const text = await print();
    for (const part of ['receiver:', 'worker:', 'triggers:', 'read-only:']) expect(text).toContain(part);
    expect(text).toContain('<ARN of the RAM user or role of the worker>');
  });

  test('prints one part as JSON, with the identity that is named', async () => {
    const { parts } = JSON.parse(await print('--role', 'worker', '--identity', 'acs:ram::1:role/pod', '--json'));
    expect(parts).toMatchObject([
      {
        role: 'worker',
        identities: [
          { name: 'acs:ram::1:role/pod' },
          { trustPolicy: { Statement: [{ Principal: { RAM: ['acs:ram::1:role/pod'] } }] } },
        ],
      },
    ]);
  });

  test.each([[[]], [['--json']]])('tells no external id (%j)', async (args) => {
    const text = await print(...args);
    expect(text).toContain('<externalId>');
    expect(text).not.toContain('shared-with-the-owner-alone');
  });

  test.each(['acs:ram::1:root', 'me', 'acs:ram::x:user/me', 'acs:ram::1:user/me*'])(
    'refuses %j, which is no identity',
    async (identity) => {
      await expect(print('--identity', identity)).rejects.toMatchObject({ code: 'usage' });
    },
  );

  test('refuses a part that there is not', async () => {
    await expect(print('--role', 'doctor')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  });

  test('refuses rules that are not valid', async () => {
    await writeFile(file, 'version: 2');
    await expect(print()).rejects.toMatchObject({ code: 'rules-invalid' });
  });
});
