import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ClientKeyEnd, createInstanceKeys } from '../../../src/commands/open-instance-keys.ts';
import { createKeyOpener, timeouts } from '../../../src/commands/open-keys.ts';
import { publicKeySha256 } from '../../../src/keys/key-spec.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import { loadKeyRing } from '../../../src/signing/key-ring.ts';
import { sample } from '../../emulator/sample-config.ts';
import { makeClientKey } from '../../support/client-keys.ts';
import { allTextOf, failureOf, startAccount } from '../alibaba/account.ts';
import { startTlsFront } from '../alibaba/tls-front.ts';
import { directoryWith, runCommand } from './run-command.ts';

const made = makeClientKey();
const next = makeClientKey({ fresh: true });
const content = randomBytes(40);
const dayMs = 24 * 3600 * 1000;

interface Setting {
  /** Fields of `kmsInstance` besides the key's id, in YAML. */
  readonly fields?: string;
  readonly spec?: 'EC_P256' | 'RSA_2048';
  readonly env?: Record<string, string>;
  readonly nowMs?: () => number;
}

/** A rules file with one key of an emulated KMS instance, opened as `work` does. */
async function open(setting: Setting = {}) {
  const { fields, spec = 'EC_P256', nowMs = Date.now } = setting;
  const { emulator } = await startAccount({
    clientKeys: [made, next].map(({ id, publicKeyPem }) => ({ id, publicKeyPem })),
  });
  const algorithm = spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PSS_SHA_256';
  const written =
    fields ?? `, endpoint: "${emulator.url}", clientKeyFile: client-key.json, passwordEnv: CLIENT_KEY_PASSWORD`;
  const text = `version: 1
registries: [{ name: lab, host: registry.example.com }]
rules: [{ name: all, registries: [lab], key: release, algorithm: ${algorithm} }]
keys:
  - name: release
    spec: ${spec}
    kmsInstance: { keyId: ${sample.keys[spec]}${written} }
`;
  const files = { 'rules.yaml': text, 'client-key.json': made.fileText, 'key.pem': made.privateKeyPem };
  const directory = directoryWith(files, onTestFinished);
  const env = { CLIENT_KEY_PASSWORD: made.password, ...setting.env };
  const warnings: ClientKeyEnd[] = [];
  const clock = { now: () => new Date(nowMs()) };
  const instanceKeys = createInstanceKeys({ clock, timeouts, env, onEnding: (ending) => warnings.push(ending) });
  const opener = createKeyOpener(clock, undefined, undefined, instanceKeys);
  const rulesFile = join(directory, 'rules.yaml');
  const key = (await loadRuleSet(rulesFile)).keys.get('release');
  if (key === undefined) throw new Error('the rules name it');
  return { emulator, directory, rulesFile, key, opener, instanceKeys, warnings, env };
}

/** Everything of Alibaba's plugin, with a CA in front of the emulator. */
async function pluginEnvironment(directory: string, host: string): Promise<Record<string, string>> {
  const { endpoint, ca } = await startTlsFront(Number(host.split(':')[1]));
  writeFileSync(join(directory, 'ca.pem'), ca);
  return {
    ALIBABA_CLOUD_KMS_INSTANCE_ENDPOINT: `https://${endpoint}`,
    ALIBABA_CLOUD_KMS_CLIENTKEY_FILEPATH: join(directory, 'client-key.json'),
    ALIBABA_CLOUD_KMS_PASSWORD: made.password,
    ALIBABA_CLOUD_KMS_CA_FILEPATH: join(directory, 'ca.pem'),
    ALIBABA_CLOUD_KMS_REGION_ID: 'cn-hangzhou',
  };
}

describe('a key of a KMS instance', () => {
  test('signs with what the rules file says', async () => {
    const { opener, key, emulator } = await open();
    const signer = await opener.open(key);
    const { signature } = await signer.sign('ECDSA_SHA_256', content);
    expect(verify('sha256', content, await signer.getPublicKey(), signature)).toBe(true);
    expect(emulator.calls.map(({ caller }) => caller)).toEqual([made.id, made.id]);
  });

  test('signs with an id and a private key in PEM', async () => {
    const { emulator, directory, key } = await open({ fields: '' });
    const fields = `, endpoint: "${emulator.url}", clientKeyId: ${made.id}, privateKeyFile: key.pem`;
    writeFileSync(
      join(directory, 'rules.yaml'),
      readFileSync(join(directory, 'rules.yaml'), 'utf8').replace(
        /kmsInstance: .*/,
        `kmsInstance: { keyId: ${sample.keys.EC_P256}${fields} }`,
      ),
    );
    const changed = (await loadRuleSet(join(directory, 'rules.yaml'))).keys.get(key.name) ?? key;
    await (await createKeyOpener().open(changed)).sign('ECDSA_SHA_256', content);
    expect(emulator.calls).toMatchObject([{ action: 'Sign', caller: made.id, status: 200 }]);
  });

  test('takes what the rules file leaves out from the variables of Alibaba’s plugin', async () => {
    const { key, emulator, directory } = await open({ fields: '' });
    const env = await pluginEnvironment(directory, emulator.host);
    const opener = createKeyOpener(
      systemClock,
      undefined,
      undefined,
      createInstanceKeys({ clock: systemClock, timeouts, env }),
    );
    const signer = await opener.open(key);
    await signer.sign('ECDSA_SHA_256', content);
    emulator.setKeyState(sample.keys.EC_P256, 'Disabled');
    expect((await failureOf(signer.getPublicKey())).message).toMatch(
      /^GetPublicKey at 127\.0\.0\.1:\d+ in cn-hangzhou: /,
    );
  });

  test('makes its own certificate; the lines that are printed make it ready', async () => {
    for (const spec of ['EC_P256', 'RSA_2048'] as const) {
      const { directory, rulesFile, emulator } = await open({ fields: '', spec });
      const env = await pluginEnvironment(directory, emulator.host);
      const subject = ['--country', 'CN', '--state', 'Zhejiang', '--organization', 'Example'];
      const { code, stdout, stderr } = await runCommand(
        ['cert', 'issue', 'release', '--rules', rulesFile, ...subject],
        env,
      );
      expect(code, stderr).toBe(0);
      const lines = stdout.split('\n').filter((line) => line.startsWith('    '));
      writeFileSync(rulesFile, `${readFileSync(rulesFile, 'utf8')}${lines.join('\n')}\n`);
      const instanceKeys = createInstanceKeys({ clock: systemClock, timeouts, env });
      const { open: createSigner, probe } = createKeyOpener(systemClock, undefined, undefined, instanceKeys);
      const ring = await loadKeyRing({
        ruleSet: await loadRuleSet(rulesFile),
        createSigner,
        probe,
        readTextFile: async (file) => readFileSync(file, 'utf8'),
        clock: systemClock,
      });
      expect(ring.get('release')).toMatchObject({ state: 'ready' });
    }
  });
});

describe('a key of a KMS instance that cannot be opened says so with file, line, key and what to do', () => {
  const fields = (more: string) => `, endpoint: kst-1.example.com${more}`;
  const file = ', clientKeyFile: client-key.json';
  const withPassword = ', clientKeyFile: client-key.json, passwordEnv: CLIENT_KEY_PASSWORD';
  const rows: readonly (readonly [name: string, setting: Setting, ...words: string[]])[] = [
    ['no endpoint', { fields: file }, 'endpoint is missing', 'ALIBABA_CLOUD_KMS_INSTANCE_ENDPOINT'],
    ['no file', { fields: fields('') }, 'clientKeyFile is missing', 'ALIBABA_CLOUD_KMS_CLIENTKEY_FILEPATH'],
    ['no password', { fields: fields(file) }, 'the variable ALIBABA_CLOUD_KMS_PASSWORD is not set'],
    [
      'no password in the variable that is named',
      { fields: fields(`${file}, passwordEnv: NOT_SET`) },
      'the variable NOT_SET is not set',
    ],
    ['a missing file', { fields: fields(withPassword.replace('client-key', 'gone')) }, 'gone.json cannot be read'],
    [
      'a wrong password',
      { fields: fields(withPassword), env: { CLIENT_KEY_PASSWORD: 'hunter2' } },
      'client-key.json: cannot be opened with this password',
    ],
    ['another file', { fields: fields(withPassword.replace('client-key.json', 'key.pem')) }, 'key.pem: is not JSON'],
    [
      'a PEM that is none',
      { fields: fields(', clientKeyId: KAAP.1, privateKeyFile: client-key.json') },
      'client-key.json: holds no unencrypted private key',
    ],
    [
      'a missing authority',
      { fields: fields(`${withPassword}, caFile: gone.pem`) },
      'caFile',
      'gone.pem cannot be read',
    ],
    [
      'an authority that is none',
      { fields: fields(`${withPassword}, caFile: key.pem`) },
      'key.pem holds no certificate in PEM',
    ],
    [
      'an endpoint that is none',
      { fields: withPassword, env: { ALIBABA_CLOUD_KMS_INSTANCE_ENDPOINT: 'http://kst-1.example.com' } },
      'endpoint: ',
      'reached by https',
    ],
  ];

  test.each(rows.map(([name, setting, ...words]) => ({ name, setting, words })))(
    '$name',
    async ({ setting, words }) => {
      const { opener, key, rulesFile } = await open(setting);
      const failure = await failureOf(opener.open(key));
      expect(failure).toMatchObject({ code: 'key-unusable' });
      expect(failure.message).toContain(`${rulesFile}:5: key release: `);
      for (const word of words) expect(failure.message).toContain(word);
      const text = allTextOf(failure);
      for (const secret of [made.password, 'hunter2', 'BEGIN PRIVATE']) expect(text).not.toContain(secret);
    },
  );
});

describe('the public key of a key of a KMS instance is pinned, because nothing else names its version', () => {
  test('it is asked once', async () => {
    const { opener, key, emulator } = await open();
    const found = publicKeySha256(createPublicKey(emulator.publicKey(sample.keys.EC_P256, sample.keyVersionId)));
    await opener.probe(key, found);
    await opener.probe(key, found);
    expect(emulator.calls.map(({ action }) => action)).toEqual(['GetPublicKey']);
  });

  test('another one is refused', async () => {
    const { opener, key } = await open();
    const failure = await failureOf(opener.probe(key, 'a'.repeat(64)));
    expect(failure.message).toContain(':5: key release: publicKeySha256 is aaaa');
  });

  test('another spec is refused', async () => {
    const { opener, key } = await open({ spec: 'RSA_2048' });
    const failure = await failureOf(opener.probe({ ...key, spec: 'EC_P256' }, 'a'.repeat(64)));
    expect(failure.message).toContain('spec is EC_P256, the key in the KMS instance is RSA_2048');
  });
});

describe('the file of a ClientKey', () => {
  test('is opened once, and again when it is another one, which is probed anew', async () => {
    const { opener, key, emulator, directory, env } = await open();
    const before = await opener.open(key);
    expect(await opener.open(key)).toBe(before);
    writeFileSync(join(directory, 'client-key.json'), next.fileText);
    expect(await failureOf(opener.open(key))).toMatchObject({ message: expect.stringContaining('this password') });
    env['CLIENT_KEY_PASSWORD'] = next.password;
    const after = await opener.open(key);
    await after.sign('ECDSA_SHA_256', content);
    await before.sign('ECDSA_SHA_256', content);
    expect(emulator.calls.map(({ caller }) => caller)).toEqual([next.id, made.id]);
  });

  test('near its end warns once a day; over, it stops', async () => {
    let nowMs = Date.now();
    const { opener, key, warnings, instanceKeys } = await open({ nowMs: () => nowMs });
    await opener.open(key);
    expect(warnings).toEqual([]);
    const [end] = instanceKeys.ends();
    if (end === undefined) throw new Error('its certificate says when it ends');
    expect(end).toMatchObject({ key: 'release', clientKeyId: made.id });

    nowMs = end.notAfter.getTime() - 30 * dayMs;
    await opener.open(key);
    await opener.open(key);
    expect(warnings).toEqual([end]);
    nowMs += dayMs;
    await opener.open(key);
    expect(warnings).toEqual([end, end]);

    nowMs = end.notAfter.getTime();
    const failure = await failureOf(opener.open(key));
    expect(failure).toMatchObject({ code: 'key-unusable' });
    expect(failure.message).toMatch(
      /:5: key release: .*client-key\.json: ClientKey KAAP\..* ended on 20.*Make a new one/,
    );
    expect(instanceKeys.ends()).toEqual([end]);
  });
});

test('rules are checked without the file and the password of a ClientKey', async () => {
  const { directory, rulesFile } = await open();
  rmSync(join(directory, 'client-key.json'));
  expect(await runCommand(['rules', 'check', rulesFile])).toMatchObject({ code: 0 });
});
