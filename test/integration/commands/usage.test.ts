import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { directoryWith, runCommand } from './run-command.ts';

describe.concurrent('a wrong command line ends with 2, one sentence and a hint', () => {
  test.for([
    ['', /^Usage: autosign /],
    ['sing', /^error: unknown command 'sing'/],
    ['rules', /^Usage: autosign rules /],
    ['rules chekc', /^error: unknown command 'chekc'\n\(Did you mean check\?\)/],
    ['rules explain --rules rules.yaml', /^error: missing required argument 'ref'/],
    ['rules explain --rules rules.yaml host/prod/app', /^autosign: "host\/prod\/app" has no tag.*write host/],
    ['rules check rules.yaml more', /^error: too many arguments for 'check'/],
    ['cert issue', /^error: required option '--rules <file>' not specified/],
    ['cert issue --rules rules.yaml', /^error: required option '--country <code>' not specified/],
    ['token new', /^error: missing required argument 'registry'/],
    ['token new Prod', /^autosign: "Prod" cannot be the name of a registry: expected 1 to 63 of a-z/],
    ['verify', /^error: required option '--rules <file>' not specified/],
    ['verify --rules rules.yaml', /^error: missing required argument 'reference'/],
    ['verify --rules rules.yaml nonsense', /^autosign: "nonsense" is not an image reference.*Write host/],
    ['verify --rules missing.yaml host/prod/app:v1', /^autosign: .*missing\.yaml.*cannot be read/],
    ['ops user ada', /^error: required option '--role <role>' not specified/],
    ['ops user ada --role admin', /^error: .*'admin' is invalid\. Allowed choices are viewer, operator/],
    ['serve --port 80', /^error: unknown option '--port'/],
  ] as const)('%s', async ([line, expected]) => {
    const { code, stdout, stderr } = await runCommand(line.split(' ').filter(Boolean));
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(expected);
    if (stderr.startsWith('error: ')) expect(stderr).toMatch(/\(see --help\)$/);
    // Said once, and without a stack.
    expect(stderr.match(/error:|autosign: /g)?.length ?? 0).toBeLessThanOrEqual(1);
    expect(stderr).not.toContain('    at ');
  });
});

describe.concurrent('rules check', () => {
  test('ends with 2 on a broken file, with file and line of every problem', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': 'version: 2\nregistries: 7\nrulez: []\n' }, onTestFinished);
    const { code, stdout } = await runCommand(['rules', 'check', join(directory, 'rules.yaml')]);
    expect(code).toBe(2);
    for (const place of ['rules.yaml:1: version', 'rules.yaml:2: registries', 'rules.yaml:3: ']) {
      expect(stdout).toContain(place);
    }
  });

  test('ends with 2 on a file that is not YAML, and with --json prints the same for scripts', async ({
    onTestFinished,
  }) => {
    const directory = directoryWith({ 'rules.yaml': 'version: 1\nrules: [\n' }, onTestFinished);
    const { code, stdout } = await runCommand(['rules', 'check', '--json', join(directory, 'rules.yaml')]);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ valid: false, problems: [{ line: expect.any(Number) }] });
  });
});

const rules = `version: 1
registries: [{ name: lab, host: registry.example.com }]
keys: [{ name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }]
rules: [{ name: all, registries: [lab], key: dev, algorithm: ECDSA_SHA_256 }]
`;
const wrong = {
  AUTOSIGN_RULES: '',
  AUTOSIGN_REDIS_URL: 'http://user:hunter2@redis.example.com',
  AUTOSIGN_QUEUES: '65',
  AUTOSIGN_HOST: 'no host',
  AUTOSIGN_PORT: '70000',
  AUTOSIGN_ADMIN_HOST: 'no host',
  AUTOSIGN_ADMIN_PORT: 'http',
  AUTOSIGN_LOG_LEVEL: 'loud',
  AUTOSIGN_CONCURRENCY: '0',
  AUTOSIGN_SHUTDOWN_TIMEOUT: '30',
  AUTOSIGN_RULES_INTERVAL: 'often',
  AUTOSIGN_TRUSTED_PROXIES: 'proxy.example.com',
  AUTOSIGN_REGISTRY_PASSWORD: 'hunter2',
};

describe.concurrent.each(['serve', 'work', 'up'])('autosign %s does not start', (command) => {
  test('with wrong settings, and names each of them but no value', async () => {
    const { code, stdout, stderr } = await runCommand([command], wrong);
    expect(code).toBe(2);
    for (const name of Object.keys(wrong)) expect(stderr).toMatch(new RegExp(`^ {2}${name}: `, 'm'));
    expect(stdout + stderr).not.toContain('hunter2');
  });

  test('with wrong rules, and names file and line', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': 'version: 1\nrules: 7\n' }, onTestFinished);
    const { code, stderr } = await runCommand([command], settingsIn(directory));
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/rules\.yaml:2: rules: /);
  });

  test('on an address that another one listens on, and names the settings', async ({ onTestFinished }) => {
    const other = createServer();
    onTestFinished(() => void other.close());
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
    });
    const directory = directoryWith({ 'rules.yaml': rules }, onTestFinished);
    const [host, name] =
      command === 'serve' ? ['AUTOSIGN_HOST', 'AUTOSIGN_PORT'] : ['AUTOSIGN_ADMIN_HOST', 'AUTOSIGN_ADMIN_PORT'];
    const { code, stderr } = await runCommand([command], { ...settingsIn(directory), [name]: String(port) });
    expect(code, stderr).toBe(2);
    expect(stderr).toContain(`${host}, ${name}: cannot listen on 127.0.0.1 port ${port} (EADDRINUSE)`);
  });
});

describe.concurrent.each(['work', 'up'])('autosign %s does not start with a users file of /ops', (command) => {
  test.for([
    [
      'that is wrong',
      { 'users.txt': 'ada operator hunter2\n' },
      /users\.txt:1: the third part is no hash of a password/,
    ],
    ['that is not there', {}, /AUTOSIGN_OPS_USERS_FILE: .*users\.txt cannot be read \(ENOENT\)/],
  ] as const)('%s', async ([, files, expected], { onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': rules, ...files }, onTestFinished);
    const env = { ...settingsIn(directory), AUTOSIGN_OPS_USERS_FILE: join(directory, 'users.txt') };
    const { code, stdout, stderr } = await runCommand([command], env);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(expected);
    expect(stdout + stderr).not.toContain('hunter2');
  });
});

describe.concurrent('autosign up without redis-server', () => {
  test('says what to install, or to set', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': rules }, onTestFinished);
    const { AUTOSIGN_REDIS_URL: _, ...settings } = settingsIn(directory);
    const { code, stderr } = await runCommand(['up'], { ...settings, PATH: directory });
    expect(code).toBe(2);
    expect(stderr).toContain('Install redis-server, or set AUTOSIGN_REDIS_URL');
  });
});

function settingsIn(directory: string) {
  return {
    AUTOSIGN_RULES: join(directory, 'rules.yaml'),
    AUTOSIGN_REDIS_URL: inject('redisUrl'),
    AUTOSIGN_STATE_DIR: join(directory, 'state'),
    AUTOSIGN_PORT: '0',
    AUTOSIGN_ADMIN_PORT: '0',
  };
}
