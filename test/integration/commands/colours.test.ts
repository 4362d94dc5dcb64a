import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, inject, type TestContext, test } from 'vitest';
import { startProcess } from '../../../infra/processes/start-process.ts';
import { directoryWith, runCommand } from './run-command.ts';

const main = join(import.meta.dirname, '../../../src/main.ts');
const escapeCode = '\u001b[';
const colouredWords = new RegExp(
  `${escapeCode.replace('[', '\\[')}\\d+m(.*?)${escapeCode.replace('[', '\\[')}\\d+m`,
  'g',
);

const rules = `version: 1
registries: [{ name: lab, host: registry.example.com }]
keys: [{ name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }]
rules: [{ name: all, registries: [lab], key: dev, algorithm: ECDSA_SHA_256, tags: { include: ["v*"] } }]
`;

function settingOf({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const file = join(directoryWith({ 'rules.yaml': rules }, onTestFinished), 'rules.yaml');
  return { file, env: { AUTOSIGN_RULES: file, AUTOSIGN_REDIS_URL: inject('redisUrl') } };
}

// Each prints at least one state word; none needs a registry.
const lines = [
  'rules check FILE',
  'rules explain registry.example.com/prod/app:v1',
  'verify elsewhere.example.com/prod/app:v1',
  'status elsewhere.example.com/prod/app:v1',
  'dead retry 4711',
  'reconcile',
] as const;

describe.concurrent('what a command prints for people', () => {
  test.for(lines)(
    'is plain when it is no terminal, and only its state words are coloured when told to: %s',
    async (line, context) => {
      const { file, env } = settingOf(context);
      const args = line.replace('FILE', file).split(' ');
      const plain = await runCommand(args, env);
      expect(plain.stdout).not.toContain(escapeCode);
      const coloured = await runCommand(args, { ...env, FORCE_COLOR: '1' });
      expect(coloured.stdout).toContain(escapeCode);
      expect(coloured.code).toBe(plain.code);
      // Without the colours it is the same text, and a colour holds no more than a few words.
      const words = [...coloured.stdout.matchAll(colouredWords)].map(([, word = '']) => word);
      expect(stripVTControlCharacters(coloured.stdout)).toBe(plain.stdout);
      expect(words.length).toBeGreaterThan(0);
      for (const word of words) expect(word).toMatch(/^[a-z0-9 -]{1,40}$/);
    },
  );

  test.for(lines)('is never coloured for scripts: %s --json', async (line, context) => {
    const { file, env } = settingOf(context);
    const { stdout } = await runCommand([...line.replace('FILE', file).split(' '), '--json'], {
      ...env,
      FORCE_COLOR: '1',
    });
    expect(stdout).not.toContain(escapeCode);
    expect(() => JSON.parse(stdout)).not.toThrow();
  });

  test.for([
    [{}, true],
    [{ NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
  ] as const)('on a terminal with %j: coloured %s', async ([more, coloured], context) => {
    const { env } = settingOf(context);
    const command = `'${process.execPath}' '${main}' rules explain registry.example.com/prod/app:v1`;
    const started = await startProcess({
      command: 'script',
      args: ['--quiet', '--return', '--command', command, '/dev/null'],
      env: { TERM: 'xterm-256color', ...env, ...more },
      timeoutMs: 60_000,
    });
    await started.exited;
    const output = started.stdout.join('\n');
    expect(output).toContain('matches');
    expect(output.includes(escapeCode)).toBe(coloured);
  });
});
