import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sha256Hex } from '../../../src/domain/digest.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import { rulesJsonSchema } from '../../../src/rules/rules-file-schema.ts';
import { loadText, refusalOf, rulesText } from './rules-text.ts';

const examples = resolve(import.meta.dirname, '../../../rules');
const include = (...files: readonly string[]): string => rulesText({ rest: `include: ${JSON.stringify(files)}` });
const included = (...names: readonly string[]): string =>
  [
    'rules:',
    ...names.map((name) => `  - { name: ${name}, registries: [lab], key: dev, algorithm: ECDSA_SHA_256 }`),
  ].join('\n');

describe('the files that are shipped', () => {
  test('minimal.yaml loads with every default filled in', async () => {
    const { registries, keys, rules } = await loadRuleSet(join(examples, 'minimal.yaml'));
    expect(registries.get('lab')).toMatchObject({
      host: 'localhost:5000',
      identityHost: 'localhost:5000',
      aliases: [],
      plainHttp: true,
      login: undefined,
      realms: [],
      webhook: undefined,
      eventBridge: undefined,
    });
    expect(keys.get('dev')).toMatchObject({
      source: { kind: 'local', privateKeyFile: join(examples, 'dev.pem') },
      certificateChain: join(examples, 'dev-chain.pem'),
      publicKeySha256: undefined,
      trusted: [],
      renewBeforeMs: 30 * 86_400_000,
    });
    expect(rules).toEqual([
      {
        name: 'everything',
        owner: undefined,
        state: 'sign',
        registries: ['lab'],
        namespaces: undefined,
        repositories: undefined,
        tags: undefined,
        mode: 'minimal',
        key: 'dev',
        algorithm: 'ECDSA_SHA_256',
        formats: ['notation'],
        platforms: 'index',
        existing: 'ignore',
        origin: { file: join(examples, 'minimal.yaml'), line: 16 },
      },
    ]);
  });

  test('example.yaml loads with its included file', async () => {
    const { registries, keys, rules, deny, files } = await loadRuleSet(join(examples, 'example.yaml'));
    expect(files).toEqual([join(examples, 'example.yaml'), join(examples, 'teams/payments.yaml')]);
    expect(registries.get('prod')?.identityHost).toBe('prod-registry.cn-hangzhou.cr.aliyuncs.com');
    expect(keys.get('release')?.source).toMatchObject({
      kind: 'kms',
      endpoint: 'kms.cn-hangzhou.aliyuncs.com',
      stsEndpoint: 'sts.cn-hangzhou.aliyuncs.com',
      externalId: undefined,
      via: [],
      sessionSeconds: 3600,
    });
    expect(rules.map(({ name, mode, existing, state }) => [name, mode, existing, state])).toEqual([
      ['prod-images', 'default', 'ignore', 'sign'],
      ['lab-images', 'minimal', 'sign', 'sign'],
      ['payments', 'minimal', 'ignore', 'audit'],
    ]);
    expect(rules[0]).toMatchObject({
      namespaces: { include: ['prod', 'team-*'], exclude: ['team-a'] },
      repositories: { include: ['**'], exclude: ['sandbox/**'] },
    });
    expect(deny.map(({ until }) => until)).toEqual([undefined, new Date('2027-01-31T12:00:00Z')]);
  });

  test('rules.schema.json is the schema of the code (npm run schema writes it)', async () => {
    const text = await readFile(join(examples, 'rules.schema.json'), 'utf8');
    expect(text).toBe(`${JSON.stringify(rulesJsonSchema(), null, 2)}\n`);
  });
});

describe('values', () => {
  test('EventBridge has region and instance from acr, and its file resolved', async () => {
    const eventBridge = {
      url: 'http://127.0.0.1:8080/in/webhooks/eventbridge/lab?x=1',
      accountId: '1234567890',
      tokenSha256: ['a'.repeat(64)],
      certificateFile: 'certs/eventbridge.pem',
    };
    const acr = { instanceId: 'cri-1', region: 'cn-hangzhou' };
    const registry = `, acr: ${JSON.stringify(acr)}, eventBridge: ${JSON.stringify(eventBridge)}`;
    const { registries } = await loadText(rulesText({ registry }));
    const certificateFile = resolve('certs/eventbridge.pem');
    expect(registries.get('lab')?.eventBridge).toEqual({ ...eventBridge, ...acr, certificateFile });
  });

  test('a rule overrides defaults, and takes from them what it does not say', async () => {
    const defaults = '{ mode: default, existing: sign, formats: [notation], platforms: index, envelope: jws }';
    const rest =
      '  - { name: two, registries: [lab], key: dev, algorithm: ECDSA_SHA_256, mode: minimal, existing: ignore }';
    const { rules } = await loadText(rulesText({ defaults, rest }));
    expect(rules.map(({ mode, existing }) => [mode, existing])).toEqual([
      ['default', 'sign'],
      ['minimal', 'ignore'],
    ]);
  });

  test('paths resolve against the file, absolute ones stay', async () => {
    const key =
      ', local: { privateKeyFile: keys/x.pem }, publicKeyFile: /etc/x.pub, trusted: [{ publicKeyFile: old.pub }]';
    const { keys } = await loadText(rulesText({ key }));
    expect(keys.get('extra')).toMatchObject({
      source: { privateKeyFile: resolve('keys/x.pem') },
      publicKeyFile: '/etc/x.pub',
      trusted: [{ publicKeyFile: resolve('old.pub'), keyVersionId: undefined, certificateChain: undefined }],
    });
  });

  test('a key of a KMS instance leaves open what the environment may say', async () => {
    const { keys } = await loadText(rulesText({ key: ', kmsInstance: { keyId: k }' }));
    expect(keys.get('extra')?.source).toEqual({
      kind: 'kmsInstance',
      keyId: 'k',
      endpoint: undefined,
      clientKey: { file: undefined, passwordEnv: undefined },
      caFile: undefined,
      region: undefined,
    });
  });

  test('a key of a KMS instance has its ClientKey in one file, or as id and private key', async () => {
    const sourceOf = async (text: string) => {
      const { keys } = await loadText(rulesText({ key: `, kmsInstance: { keyId: k, ${text} }` }));
      return keys.get('extra')?.source;
    };
    const whole =
      'endpoint: kst-1.cryptoservice.kms.aliyuncs.com, clientKeyFile: c.json, passwordEnv: P, caFile: ca.pem, region: cn-hangzhou';
    expect(await sourceOf(whole)).toMatchObject({
      endpoint: 'kst-1.cryptoservice.kms.aliyuncs.com',
      clientKey: { file: resolve('c.json'), passwordEnv: 'P' },
      caFile: resolve('ca.pem'),
      region: 'cn-hangzhou',
    });
    expect(await sourceOf('clientKeyId: KAAP.1, privateKeyFile: k.pem')).toMatchObject({
      clientKey: { id: 'KAAP.1', privateKeyFile: resolve('k.pem') },
    });
  });

  test('loopback endpoints, realms and registries may be plain http', async () => {
    const registry =
      ', realms: ["http://127.0.0.1:5001/auth", "http://localhost:5001/auth", "http://[::1]:5001/auth"] }\n  - { name: local, host: "127.8.0.1:5000", plainHttp: true';
    const key =
      ', kms: { region: eu-central-1, keyId: k, keyVersionId: v, roleArn: "acs:ram::1:role/r", endpoint: "http://127.0.0.1:7001", stsEndpoint: "sts.example.com:8443" }';
    const { registries, keys } = await loadText(rulesText({ registry, key }));
    expect(registries.get('local')?.plainHttp).toBe(true);
    expect(keys.get('extra')?.source).toMatchObject({
      endpoint: 'http://127.0.0.1:7001',
      stsEndpoint: 'sts.example.com:8443',
    });
  });

  test('a deny entry ends at the first moment of its date in UTC', async () => {
    const rest = `deny:\n  - { digest: "sha256:${'a'.repeat(64)}", reason: r, until: 2027-01-31 }`;
    const { deny } = await loadText(rulesText({ rest }));
    expect(deny).toEqual([
      {
        digest: `sha256:${'a'.repeat(64)}`,
        reason: 'r',
        until: new Date('2027-01-31T00:00:00.000Z'),
        origin: { file: 'rules.yaml', line: 13 },
      },
    ]);
  });

  test.each([
    ['rsa', 'RSA_PSS_SHA_256', '', ['notation']],
    ['rsa', 'RSA_PKCS1_SHA_256', '', ['cosign']],
    ['big', 'RSA_PKCS1_SHA_256', '', ['cosign']],
    ['dev', 'ECDSA_SHA_256', '', ['notation']],
    ['dev', 'ECDSA_SHA_256', ', formats: [notation, cosign], cosign: tag', ['notation', 'cosign']],
  ])('a rule with key %s, %s%s makes %j', async (key, algorithm, options, formats) => {
    const text = rulesText({ rule: `, key: ${key}, algorithm: ${algorithm}${options}` });
    expect((await loadText(text)).rules[0]?.formats).toEqual(formats);
  });

  test('an RSA_3072 key that no rule uses is no fault', async () => {
    expect((await loadText(rulesText())).keys.get('big')?.spec).toBe('RSA_3072');
  });
});

describe('included files', () => {
  test('come in the order of the list, by name within a pattern, each once', async () => {
    const { rules, files } = await loadText(include('z.yaml', 'teams/*.yaml', 'teams/a.yaml'), {
      'teams/b.yaml': included('b'),
      'teams/a.yaml': included('a1', 'a2'),
      'teams/.hidden.yaml': 'not read',
      'teams/deeper/c.yaml': 'not read',
      'z.yaml': included('z'),
    });
    expect(rules.map(({ name, origin }) => `${origin.file}:${origin.line} ${name}`)).toEqual([
      'rules.yaml:11 all',
      'z.yaml:2 z',
      'teams/a.yaml:2 a1',
      'teams/a.yaml:3 a2',
      'teams/b.yaml:2 b',
    ]);
    expect(files).toEqual(['rules.yaml', 'z.yaml', 'teams/a.yaml', 'teams/b.yaml'].map((file) => resolve(file)));
  });

  test('a pattern may match no file, and leaves the main file out', async () => {
    const { files } = await loadText(include('*.yaml', 'teams/*.yml'), { 'teams/a.txt': '' });
    expect(files).toEqual([resolve('rules.yaml')]);
  });

  test('every byte of every file counts for the hash, and which file it stands in', async () => {
    const hashes = await Promise.all([
      loadText(include('a.yaml', 'b.yaml'), { 'a.yaml': included('a'), 'b.yaml': included('b') }),
      loadText(include('a.yaml', 'b.yaml'), { 'a.yaml': included('a'), 'b.yaml': `${included('b')}\n` }),
      loadText(include('a.yaml', 'b.yaml'), { 'a.yaml': `${included('a')}\n`, 'b.yaml': included('b') }),
    ]);
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(3);
    expect(hashes[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
    expect((await loadText(rulesText())).hash).toBe(sha256Hex(sha256Hex(rulesText())));
  });

  const refusals: readonly (readonly [string, string, Readonly<Record<string, string>>, string])[] = [
    [
      'holds keys',
      'a.yaml',
      { 'a.yaml': `${included('a')}\nkeys: []` },
      'a.yaml:3: keys: is refused in an included file, which holds rules only',
    ],
    [
      'includes further files',
      'a.yaml',
      { 'a.yaml': `${included('a')}\ninclude: [b.yaml]` },
      'a.yaml:3: include: is refused in an included file',
    ],
    ['is empty', 'a.yaml', { 'a.yaml': '' }, 'a.yaml:1: is empty, expected is a map'],
    ['is not there', 'a.yaml', {}, 'rules.yaml:12: include[0]: a.yaml cannot be read: no such file'],
    [
      'is in a directory that is not there',
      'teams/*.yaml',
      {},
      'rules.yaml:12: include[0]: cannot be listed: no such directory',
    ],
    ['is the main file', './rules.yaml', {}, 'rules.yaml:12: include[0]: is this file itself'],
    ['is named by **', 'teams/**', {}, 'rules.yaml:12: include[0]: holds "**"'],
    [
      'has a rule of a name that the main file has',
      'a.yaml',
      { 'a.yaml': included('all') },
      'a.yaml:2: rules[0].name: there are two rules "all"',
    ],
    [
      'names a registry that is not there',
      'a.yaml',
      { 'a.yaml': included('a').replace('lab', 'labs') },
      'a.yaml:2: rules[0].registries[0]: there is no registry "labs"; did you mean "lab"?',
    ],
  ];
  test.each(refusals)('refused when one %s', async (_, path, files, line) => {
    expect(await refusalOf(include(path), files)).toEqual([expect.stringContaining(line)]);
  });

  test('refused when a pattern names more than a hundred', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 101 }, (_, index) => [`t/${index}.yaml`, included(`r${index}`)]),
    );
    expect(await refusalOf(include('t/*.yaml'), files)).toEqual([
      expect.stringContaining('rules.yaml:12: include: names 101 files, more than 100'),
    ]);
  });
});

test('a file that is not there is refused with its path', async () => {
  const file = join(examples, 'gone.yaml');
  await expect(loadRuleSet(file)).rejects.toThrow(`${file}:1: ${file} cannot be read: ENOENT`);
});

test('the host of a registry may be repeated as its signed name and as an alias', async () => {
  const registry = ', identityHost: registry.example.com, aliases: [Registry.example.com, vpc.example.com]';
  expect((await loadText(rulesText({ registry }))).registries.get('lab')?.aliases).toHaveLength(2);
});
