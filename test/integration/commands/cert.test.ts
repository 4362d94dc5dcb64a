import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createKeyOpener } from '../../../src/commands/open-keys.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import { loadKeyRing } from '../../../src/signing/key-ring.ts';
import { sample, sampleConfig } from '../../emulator/sample-config.ts';
import { startEmulator } from '../../emulator/start-emulator.ts';
import { opensslVerdict, runOpenssl } from '../../support/certificate-chains.ts';
import { signingKey } from '../../support/signing-keys.ts';
import { permanentKey } from '../alibaba/account.ts';
import { directoryWith, runCommand } from './run-command.ts';

const subject = ['--country', 'CN', '--state', 'Zhejiang', '--organization', 'Example, Ltd'];
const localSource = 'local: { privateKeyFile: release.pem }';
const privateKeys = { EC_P256: signingKey('EC_P256').privateKeyPem, RSA_2048: signingKey('RSA_2048').privateKeyPem };

type AtEnd = (cleanUp: () => Promise<void> | void) => void;

interface Setting {
  readonly directory: string;
  readonly rulesFile: string;
  /** Runs `cert issue release` with the subject above, or the options given in its place. */
  issue(options?: readonly string[], key?: string): ReturnType<typeof runCommand>;
}

/** A rules file whose one key, `release`, comes last, so that lines can be appended to it. */
function settingWith(
  source: string,
  atEnd: AtEnd,
  options: { spec?: string; env?: Record<string, string> } = {},
): Setting {
  const { spec = 'EC_P256', env = {} } = options;
  const algorithm = spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PSS_SHA_256';
  // A rule with an RSA_3072 key would be refused already when the rules are loaded.
  const rules = `rules: [{ name: all, registries: [lab], key: release, algorithm: ${algorithm} }]\n`;
  const text = `version: 1
registries: [{ name: lab, host: registry.example.com }]
${spec === 'RSA_3072' ? 'rules: []\n' : rules}keys:
  - name: release
    spec: ${spec}
    ${source}
`;
  const directory = directoryWith({ 'rules.yaml': text, 'release.pem': privateKeys.EC_P256 }, atEnd);
  const rulesFile = join(directory, 'rules.yaml');
  return {
    directory,
    rulesFile,
    issue: (given = subject, key = 'release') =>
      runCommand(['cert', 'issue', key, '--rules', rulesFile, ...given], env),
  };
}

async function emulatedKms(atEnd: AtEnd) {
  const { config, accessKeySecret } = sampleConfig();
  const emulator = await startEmulator(config);
  atEnd(() => emulator.close());
  const env = {
    ALIBABA_CLOUD_ACCESS_KEY_ID: sample.worker.accessKeyId,
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: accessKeySecret,
  };
  return { emulator, env, opener: createKeyOpener(systemClock, permanentKey(accessKeySecret)) };
}

function kmsSource(url: string, spec: keyof typeof sample.keys): string {
  return `kms: { region: ${sample.region}, keyId: ${sample.keys[spec]}, keyVersionId: ${sample.keyVersionId}, roleArn: "${sample.roleArn}", endpoint: "${url}", stsEndpoint: "${url}" }`;
}

/** Puts the lines that the command printed under the key, as it says, and loads the key as a worker does. */
async function keyStateAfter({ rulesFile }: Setting, printed: string, opener = createKeyOpener()) {
  const lines = printed.split('\n').filter((line) => line.startsWith('    '));
  expect(lines).toHaveLength(3);
  writeFileSync(rulesFile, `${readFileSync(rulesFile, 'utf8')}${lines.join('\n')}\n`);
  expect((await runCommand(['rules', 'check', rulesFile])).code).toBe(0);
  const ring = await loadKeyRing({
    ruleSet: await loadRuleSet(rulesFile),
    createSigner: opener.open,
    probe: opener.probe,
    readTextFile: async (file) => readFileSync(file, 'utf8'),
    clock: systemClock,
  });
  return ring.get('release');
}

describe.concurrent('autosign cert issue', () => {
  test('makes the files of a local key; the lines that it prints make the key ready', async ({ onTestFinished }) => {
    const setting = settingWith(localSource, onTestFinished);
    const { code, stdout, stderr } = await setting.issue();
    expect(code, stderr).toBe(0);

    const chain = readFileSync(join(setting.directory, `certs/release-${new Date().getUTCFullYear()}.pem`), 'utf8');
    expect(opensslVerdict(chain, chain)).toBe('OK');
    expect(runOpenssl(['x509', '-noout', '-subject', '-nameopt', 'RFC2253'], chain)).toContain(
      'subject=CN=release,O=Example\\, Ltd,ST=Zhejiang,C=CN',
    );
    expect(readFileSync(join(setting.directory, 'certs/release.pub.pem'), 'utf8')).toContain('BEGIN PUBLIC KEY');
    expect(stdout).not.toContain('PRIVATE');
    // In quotes, or a hash of digits alone would be a number.
    expect(stdout).toMatch(/^ {4}publicKeySha256: "[0-9a-f]{64}"$/m);
    expect(await keyStateAfter(setting, stdout)).toMatchObject({ state: 'ready' });
  });

  test.for(['EC_P256', 'RSA_2048'] as const)(
    'has a KMS key of spec %s sign its own certificate',
    async (spec, { onTestFinished }) => {
      const { emulator, env, opener } = await emulatedKms(onTestFinished);
      const setting = settingWith(kmsSource(emulator.url, spec), onTestFinished, { spec, env });
      const { code, stdout, stderr } = await setting.issue();
      expect(code, stderr).toBe(0);
      expect(emulator.calls.map(({ action }) => action)).toContain('AsymmetricSign');
      expect(await keyStateAfter(setting, stdout, opener)).toMatchObject({ state: 'ready' });
    },
  );

  test('prints one object for scripts', async ({ onTestFinished }) => {
    const { stdout } = await settingWith(localSource, onTestFinished).issue([...subject, '--json', '--days', '1']);
    const year = new Date().getUTCFullYear();
    expect(JSON.parse(stdout)).toEqual({
      key: 'release',
      publicKeyFile: 'certs/release.pub.pem',
      publicKeySha256: signingKey('EC_P256').publicKeySha256,
      certificateChain: `certs/release-${year}.pem`,
      notAfter: expect.stringMatching(/^\d{4}-/),
    });
  });

  test('never overwrites a certificate, nor another public key', async ({ onTestFinished }) => {
    const setting = settingWith(localSource, onTestFinished);
    const chainFile = join(setting.directory, `certs/release-${new Date().getUTCFullYear()}.pem`);
    expect((await setting.issue()).code).toBe(0);
    const chain = readFileSync(chainFile, 'utf8');

    const again = await setting.issue();
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('is there already and signatures may depend on it; it is not overwritten');
    expect(readFileSync(chainFile, 'utf8')).toBe(chain);

    writeFileSync(join(setting.directory, 'certs/release.pub.pem'), signingKey('EC_P256', 'other').publicKeyPem);
    writeFileSync(setting.rulesFile, `${readFileSync(setting.rulesFile, 'utf8')}    certificateChain: new.pem\n`);
    writeFileSync(
      setting.rulesFile,
      `${readFileSync(setting.rulesFile, 'utf8')}    publicKeyFile: certs/release.pub.pem\n`,
    );
    const other = await setting.issue();
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('holds another public key than the key itself; it is not overwritten');
    expect(existsSync(join(setting.directory, 'new.pem'))).toBe(false);
  });
});

describe.concurrent('autosign cert public-key', () => {
  const publicKey = ({ rulesFile }: Setting, env = {}, ...options: string[]) =>
    runCommand(['cert', 'public-key', 'release', '--rules', rulesFile, ...options], env);

  test.for(['EC_P256', 'RSA_2048', 'RSA_3072'] as const)(
    'of a %s key in KMS gives what the key needs for cosign',
    async (spec, { onTestFinished }) => {
      const { emulator, env, opener } = await emulatedKms(onTestFinished);
      const setting = settingWith(kmsSource(emulator.url, spec), onTestFinished, { spec, env });
      const { code, stdout, stderr } = await publicKey(setting, env);
      expect(code, stderr).toBe(0);
      expect(existsSync(join(setting.directory, 'certs/release.pub.pem'))).toBe(true);
      const rule = `\n  - { name: cosign, registries: [lab], key: release, formats: [cosign], algorithm: ${spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PKCS1_SHA_256'} }\n`;
      const before = readFileSync(setting.rulesFile, 'utf8').replace(/^rules:.*\n/m, `rules:${rule}`);
      writeFileSync(setting.rulesFile, before + stdout.slice(stdout.indexOf('\n\n') + 2));
      const ring = await loadKeyRing({
        ruleSet: await loadRuleSet(setting.rulesFile),
        createSigner: opener.open,
        probe: opener.probe,
        readTextFile: async (file) => readFileSync(file, 'utf8'),
        clock: systemClock,
      });
      expect(ring.get('release')).toMatchObject({ state: 'ready' });
    },
  );

  test('says the same again, and never overwrites another key', async ({ onTestFinished }) => {
    const setting = settingWith(localSource, onTestFinished);
    const first = await publicKey(setting, {}, '--json');
    expect(JSON.parse(first.stdout)).toEqual({
      key: 'release',
      publicKeyFile: 'certs/release.pub.pem',
      publicKeySha256: signingKey('EC_P256').publicKeySha256,
    });
    expect(await publicKey(setting, {}, '--json')).toMatchObject({ code: 0, stdout: first.stdout });
    const other = signingKey('EC_P256', 'other').publicKeyPem;
    writeFileSync(join(setting.directory, 'certs/release.pub.pem'), other);
    const refused = await publicKey(setting);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('it is not overwritten');
    expect(readFileSync(join(setting.directory, 'certs/release.pub.pem'), 'utf8')).toBe(other);
  });

  test('refuses a key that is not what the rules file says', async ({ onTestFinished }) => {
    const { emulator, env } = await emulatedKms(onTestFinished);
    const setting = settingWith(kmsSource(emulator.url, 'RSA_2048'), onTestFinished, { spec: 'EC_P256', env });
    const { code, stderr } = await publicKey(setting, env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/rules\.yaml:\d+: .*spec is EC_P256, the key has RSA_2048/);
    expect(existsSync(join(setting.directory, 'certs'))).toBe(false);
  });
});

describe.concurrent('autosign cert issue refuses, and writes nothing', () => {
  test.for([
    ['a country of three letters', ['--country', 'CHN', '--state', 'Z', '--organization', 'O'], /two capital letters/],
    ['a country in small letters', ['--country', 'cn', '--state', 'Z', '--organization', 'O'], /two capital letters/],
    ['an empty state', ['--country', 'CN', '--state', '', '--organization', 'O'], /--state is empty/],
    [
      'an organization of blanks',
      ['--country', 'CN', '--state', 'Z', '--organization', ' '],
      /--organization is empty/,
    ],
    ['a name too long', [...subject, '--common-name', 'x'.repeat(65)], /commonName.*1 to 64/],
    ['no days', [...subject, '--days', '0'], /--days "0": a whole number from 1 to 3650/],
    ['eleven years', [...subject, '--days', '4015'], /--days "4015": a whole number from 1 to 3650/],
  ] as const)('%s', async ([_what, options, expected], { onTestFinished }) => {
    const setting = settingWith(localSource, onTestFinished);
    const { code, stderr } = await setting.issue(options);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(expected);
    expect(existsSync(join(setting.directory, 'certs'))).toBe(false);
  });

  test('a key that the rules do not have, and names those they have', async ({ onTestFinished }) => {
    const { code, stderr } = await settingWith(localSource, onTestFinished).issue(subject, 'releases');
    expect(code).toBe(2);
    expect(stderr).toMatch(/rules\.yaml has no key "releases"; it has release\./);
  });

  test('a key whose public key is not the pinned one', async ({ onTestFinished }) => {
    const pinned = `${localSource}\n    publicKeySha256: "${'0'.repeat(64)}"`;
    const setting = settingWith(pinned, onTestFinished);
    const { code, stderr } = await setting.issue();
    expect(code).toBe(1);
    expect(stderr).toMatch(/rules\.yaml:\d+: .*publicKeySha256 is 0{64}, the key has [0-9a-f]{64}/);
    expect(existsSync(join(setting.directory, 'certs'))).toBe(false);
  });

  test('a key of another spec than the rules file says', async ({ onTestFinished }) => {
    const { emulator, env } = await emulatedKms(onTestFinished);
    const setting = settingWith(kmsSource(emulator.url, 'RSA_2048'), onTestFinished, { spec: 'EC_P256', env });
    const { code, stderr } = await setting.issue();
    expect(code).toBe(1);
    expect(stderr).toMatch(/rules\.yaml:\d+: .*spec is EC_P256, the key has RSA_2048/);
    expect(existsSync(join(setting.directory, 'certs'))).toBe(false);
  });

  test('a key of spec RSA_3072, with the reason', async ({ onTestFinished }) => {
    const { emulator, env } = await emulatedKms(onTestFinished);
    const setting = settingWith(kmsSource(emulator.url, 'RSA_3072'), onTestFinished, { spec: 'RSA_3072', env });
    const { code, stderr } = await setting.issue();
    expect(code).toBe(2);
    expect(stderr).toMatch(/RSA_3072.*SHA-384.*KMS signs SHA-256.*RSA_2048 or EC_P256.*cert public-key release/);
    expect(existsSync(join(setting.directory, 'certs'))).toBe(false);
  });

  test.for(['issue', 'public-key'])(
    'by %s, a version that the key does not have, and lists those it has',
    async (command, { onTestFinished }) => {
      const { emulator, env } = await emulatedKms(onTestFinished);
      const source = kmsSource(emulator.url, 'EC_P256').replace(sample.keyVersionId, 'unknown');
      const setting = settingWith(source, onTestFinished, { env });
      const options = command === 'issue' ? subject : [];
      const args = ['cert', command, 'release', '--rules', setting.rulesFile, ...options];
      const { code, stderr } = await runCommand(args, env);
      expect(code).toBe(1);
      expect(stderr).toMatch(/Forbidden\.KeyVersionNotFound.*check keyVersionId.* It has: version-1\./);
    },
  );

  test('a KMS that is not there, with exit code 8', async ({ onTestFinished }) => {
    const env = { ALIBABA_CLOUD_ACCESS_KEY_ID: 'LTAI-any', ALIBABA_CLOUD_ACCESS_KEY_SECRET: 'hunter2' };
    // Nobody listens on port 1.
    const setting = settingWith(kmsSource('http://127.0.0.1:1', 'EC_P256'), onTestFinished, { env });
    const { code, stderr } = await setting.issue();
    expect(code, stderr).toBe(8);
    expect(stderr).toContain('Check that this machine reaches the endpoint');
    expect(stderr).not.toContain('hunter2');
  });

  test('a local key file that is not there', async ({ onTestFinished }) => {
    const { code, stderr } = await settingWith('local: { privateKeyFile: missing.pem }', onTestFinished).issue();
    expect(code).toBe(1);
    expect(stderr).toMatch(/missing\.pem cannot be read/);
  });
});
