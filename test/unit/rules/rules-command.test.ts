import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { rulesCommand } from '../../../src/commands/rules-command.ts';
import { isAutosignError } from '../../../src/domain/errors.ts';
import { rulesText } from './rules-text.ts';

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-rules-'));
  file = join(directory, 'rules.yaml');
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Runs the command as main does and gives what it printed and the exit code that it set. */
async function run(...args: readonly string[]) {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    const command = rulesCommand();
    for (const each of [command, ...command.commands])
      each.exitOverride().configureOutput({ writeErr: () => undefined });
    await command.parseAsync([...args], { from: 'user' });
    return { output: written.join(''), exitCode: process.exitCode ?? 0 };
  } finally {
    spy.mockRestore();
    process.exitCode = before;
  }
}

const denied = `sha256:${'d'.repeat(64)}`;
const sound = rulesText({
  registry: ', identityHost: signed.example.com, aliases: ["vpc.example.com:8443"]',
  rule: ', key: dev, algorithm: ECDSA_SHA_256, tags: { include: ["v*"] }',
  rest: `  - { name: also, registries: [lab], key: dev, algorithm: ECDSA_SHA_256, state: audit, namespaces: {} }\ndeny:\n  - { digest: "${denied}", reason: leaked }`,
});

describe('rules check', () => {
  test('sums up a valid file, lists overlaps and ends with 0', async () => {
    await writeFile(file, sound);
    const { output, exitCode } = await run('check', file);
    expect(exitCode).toBe(0);
    expect(output).toBe(
      `${file}: valid; 1 file, 1 registry, 4 keys, 2 rules, 1 denied digest\n` +
        `overlap: "all" (${file}:11) and "also" (${file}:12) on lab: they demand the same signatures, made once\n`,
    );
  });

  test('lists every problem and ends with 2', async () => {
    await writeFile(file, `${sound.replace('key: dev', 'key: nope')}\nrulez: []`);
    const { output, exitCode } = await run('check', file);
    expect(exitCode).toBe(2);
    expect(output.split('\n')).toEqual([
      expect.stringContaining(`${file}:11: rules[0].key: there is no key "nope"`),
      expect.stringContaining(`${file}:15: rulez: is not a known key; did you mean "rules"?`),
      `${file}: 2 problems; nothing of it would be taken over`,
      '',
    ]);
  });

  test('says the same in JSON', async () => {
    await writeFile(file, sound);
    expect(JSON.parse((await run('check', '--json', file)).output)).toMatchObject({
      valid: true,
      files: [file],
      registries: ['lab'],
      overlaps: [
        {
          rules: [
            { name: 'all', line: 11 },
            { name: 'also', line: 12 },
          ],
          signatures: 'identical',
        },
      ],
    });
    await writeFile(file, sound.replace('key: dev', 'key: nope'));
    const { output, exitCode } = await run('check', '--json', file);
    expect(exitCode).toBe(2);
    expect(JSON.parse(output)).toEqual({
      file,
      valid: false,
      problems: [{ file, line: 11, field: 'rules[0].key', message: expect.stringContaining('no key "nope"') }],
    });
  });

  test('ends with 2 for a file that is not there', async () => {
    expect(await run('check', file)).toMatchObject({ exitCode: 2, output: expect.stringContaining('ENOENT') });
  });
});

describe('rules explain', () => {
  beforeEach(() => writeFile(file, sound));

  test.each(['registry.example.com', 'signed.example.com', 'VPC.example.com:8443'])(
    'knows the registry by %s',
    async (host) => {
      const { output, exitCode } = await run('explain', '--rules', file, `${host}/app:v1`);
      expect(exitCode).toBe(0);
      expect(output).toContain('app:v1 in registry "lab": 1 rule of 2 matches');
      expect(output).toContain('  no match: "also": the image has no namespace, the rule asks for one');
    },
  );

  test('ends with 5 and the reasons when no rule matches', async () => {
    const { output, exitCode } = await run('explain', '--rules', file, 'registry.example.com/app:latest');
    expect(exitCode).toBe(5);
    expect(output).toContain('no rule wants it');
    expect(output).toContain('  no match: "all": tag "latest" is not included by "v*"');
  });

  test('ends with 5 for a host of no registry', async () => {
    const { output, exitCode } = await run('explain', '--rules', file, 'ghcr.io/app:v1');
    expect(exitCode).toBe(5);
    expect(output).toBe('no registry of the rules has the host ghcr.io\n');
  });

  test('ends with 5 for the tag of a signature, whatever the rules match', async () => {
    const { output, exitCode } = await run(
      'explain',
      '--rules',
      file,
      `registry.example.com/a/b:sha256-${'a'.repeat(64)}.sig`,
    );
    expect(exitCode).toBe(5);
    expect(output).toContain('never signed');
  });

  test('ends with 6 for a digest on the deny list', async () => {
    const { output, exitCode } = await run('explain', '--rules', file, `registry.example.com/app:v1@${denied}`);
    expect(exitCode).toBe(6);
    expect(output).toContain('denied: leaked');
  });

  test('says the same in JSON', async () => {
    const { output } = await run('explain', '--json', '--rules', file, 'registry.example.com/app:v1');
    expect(JSON.parse(output)).toMatchObject({
      registry: 'lab',
      rules: [
        { name: 'all', matches: true, line: 11 },
        { name: 'also', matches: false, reasons: [expect.stringContaining('no namespace')] },
      ],
    });
  });

  test.each([
    ['no tag', 'registry.example.com/app'],
    ['no host', 'app:v1'],
    ['a malformed tag', 'registry.example.com/app:v1:v2'],
  ])('refuses a reference with %s', async (_, reference) => {
    await expect(run('explain', '--rules', file, reference)).rejects.toSatisfy((error) =>
      isAutosignError(error, 'usage'),
    );
  });

  test('refuses invalid rules', async () => {
    await writeFile(file, 'version: 1');
    await expect(run('explain', '--rules', file, 'registry.example.com/app:v1')).rejects.toSatisfy((error) =>
      isAutosignError(error, 'rules-invalid'),
    );
  });
});

test('rules schema prints the JSON schema', async () => {
  const { output, exitCode } = await run('schema');
  expect(exitCode).toBe(0);
  expect(JSON.parse(output)).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    required: ['version', 'registries'],
  });
});

test.each(['check', 'explain', 'schema'])('help of rules %s has examples', async (name) => {
  const written: string[] = [];
  const command = rulesCommand().commands.find((each) => each.name() === name);
  command?.configureOutput({ writeOut: (text) => written.push(text) }).outputHelp();
  expect(written.join('')).toContain(`$ autosign rules ${name}`);
});
