import { describe, expect, test } from 'vitest';
import { refusalOf, rulesText } from './rules-text.ts';

/** What is exchanged in the sound file, and the one line that the error must have: where, and words of it. */
type Row = readonly [text: string, where: string, ...words: string[]];

function testRows(rows: readonly Row[]): void {
  test.each(rows.map(([text, where, ...words]) => ({ text, where, words, sentence: words.join(' … ') })))(
    '$where: $sentence',
    async ({ text, where, words }) => {
      const lines = await refusalOf(text);
      expect(lines).toEqual([expect.stringContaining(`rules.yaml:${where}: `)]);
      for (const word of words) expect(lines[0]).toContain(word);
    },
  );
}

const rule = (text: string): string => rulesText({ rule: text });
const registry = (text: string): string => rulesText({ registry: text });
const key = (text: string): string => rulesText({ key: text });
const defaults = (text: string): string => rulesText({ defaults: text });
const rest = (text: string): string => rulesText({ rest: text });
const secondRule = (text: string): string => rulesText({ rest: `  - ${text}` });
const ecdsa = ', key: dev, algorithm: ECDSA_SHA_256';
const kms = (text: string): string =>
  key(`, kms: { region: cn-hangzhou, keyId: key-1, keyVersionId: v1, roleArn: "acs:ram::123:role/Signer"${text} }`);
const instance = (text: string): string => key(`, kmsInstance: { ${text} }`);
const sha = 'a'.repeat(64);
const eventPath = '/webhooks/eventbridge/lab';
const eventBridge = (changes: object, acr = ', acr: { instanceId: cri-1, region: cn-hangzhou }'): string => {
  const sound = { url: `https://h.example.com${eventPath}`, accountId: '1234567890', tokenSha256: [sha] };
  return registry(`${acr}, eventBridge: ${JSON.stringify({ ...sound, ...changes })}`);
};

describe('refuses what is not as the schema has it', () => {
  const rows: readonly Row[] = [
    ['version: 2\nregistries:\n  - { name: lab, host: h }', '1: version', 'write 1'],
    ['registries:\n  - { name: lab, host: h }', '1: version', 'is missing; add it'],
    ['version: 1', '1: registries', 'is missing'],
    ['version: 1\nregistries: []', '2: registries', 'is empty'],
    ['[]', '1', 'is a list, expected is a map'],
    ['', '1', 'is empty, expected is a map'],
    [rest('rule: []'), '12: rule', 'is not a known key', 'did you mean "rules"?'],
    [rule(`${ecdsa}, formatts: [notation]`), '11: rules[0].formatts', 'did you mean "formats"?'],
    [rule(`${ecdsa}, tags: { inlcude: [v1] }`), '11: rules[0].tags.inlcude', 'did you mean "include"?'],
    [rule(`${ecdsa}, quux: 1`), '11: rules[0].quux', 'is not a known key; known here are name, owner'],
    [defaults('{ state: audit }'), '2: defaults.state', 'is not a known key'],
    [
      registry(', login: { username: a, passwordEnv: P, password: x }'),
      '4: registries[0].login.password',
      'known here are username, passwordEnv',
    ],
    [rule(`${ecdsa}, state: on`), '11: rules[0].state', 'write sign or audit or off'],
    [rule(`${ecdsa}, mode: full`), '11: rules[0].mode', 'write default or minimal'],
    [rule(', key: dev, algorithm: SM2DSA'), '11: rules[0].algorithm', 'write RSA_PSS_SHA_256 or'],
    [rule(', algorithm: ECDSA_SHA_256'), '11: rules[0].key', 'is missing'],
    [rule(`${ecdsa}, formats: []`), '11: rules[0].formats', 'is empty'],
    [rule(`${ecdsa}, tags: { include: [1.0] }`), '11: rules[0].tags.include[0]', 'is a number', 'put it in quotes'],
    [rule(`${ecdsa}, tags: [v1]`), '11: rules[0].tags', 'is a list, expected is a map'],
    [rule(`${ecdsa}, tags: { include: v1 }`), '11: rules[0].tags.include', 'is a text, expected is a list'],
    [rulesText({ rest: `  - { name: second, registries: []${ecdsa} }` }), '12: rules[1].registries', 'is empty'],
    [secondRule(`{ name: "Second Rule", registries: [lab]${ecdsa} }`), '12: rules[1].name', 'is not a name'],
    [secondRule(`{ name: -second, registries: [lab]${ecdsa} }`), '12: rules[1].name', 'is not a name'],
    [secondRule(`{ name: ${'a'.repeat(64)}, registries: [lab]${ecdsa} }`), '12: rules[1].name', 'at most 63'],
    [key(', local: { privateKeyFile: x.pem }, renewBefore: 30'), '9: keys[3].renewBefore', 'put it in quotes'],
    [key(', local: { privateKeyFile: x.pem }, renewBefore: 30w'), '9: keys[3].renewBefore', 'not a duration', '90d'],
    [key(', local: { privateKeyFile: x.pem }, renewBefore: 0d'), '9: keys[3].renewBefore', 'not a duration'],
    [
      key(`, local: { privateKeyFile: x.pem }, publicKeySha256: ${'A'.repeat(64)}`),
      '9: keys[3].publicKeySha256',
      '64 lower-case hex',
    ],
    [
      key(', local: { privateKeyFile: x.pem }, publicKeySha256: abc'),
      '9: keys[3].publicKeySha256',
      '64 lower-case hex',
    ],
    [key(', local: { privateKeyFile: "" }'), '9: keys[3].local.privateKeyFile', 'is empty'],
  ];
  testRows(rows);
});

describe('refuses hosts, URLs and tokens that are not safe or not well formed', () => {
  const rows: readonly Row[] = [
    [registry(', plainHttp: true'), '4: registries[0].plainHttp', 'loopback addresses only', 'registry.example.com'],
    [registry(', identityHost: "https://registry.example.com"'), '4: registries[0].identityHost', 'without scheme'],
    [registry(', identityHost: registry.example.com/prod'), '4: registries[0].identityHost', 'is not a host'],
    [registry(', aliases: [a.example.com, "b.example.com:70000"]'), '4: registries[0].aliases[1]', 'is not a host'],
    [registry(', realms: ["http://auth.example.com/token"]'), '4: registries[0].realms[0]', 'exact https URL'],
    [
      registry(', realms: ["https://user:pw@auth.example.com/token"]'),
      '4: registries[0].realms[0]',
      'without user name',
    ],
    [registry(', realms: ["https://auth.example.com/token#x"]'), '4: registries[0].realms[0]', 'fragment'],
    [registry(', realms: ["auth.example.com"]'), '4: registries[0].realms[0]', 'is not a token realm'],
    [registry(', realms: ["http://127.0.0.1.example.com/token"]'), '4: registries[0].realms[0]', 'loopback'],
    [
      registry(', login: { username: a, passwordEnv: "not a name" }'),
      '4: registries[0].login.passwordEnv',
      'never the password itself',
    ],
    [registry(', webhook: { tokenSha256: [] }'), '4: registries[0].webhook.tokenSha256', 'autosign token new'],
    [registry(', webhook: { tokenSha256: [abc] }'), '4: registries[0].webhook.tokenSha256[0]', '64 lower-case hex'],
    [
      registry(`, webhook: { tokenSha256: [${sha}, ${'b'.repeat(64)}, ${'c'.repeat(64)}] }`),
      '4: registries[0].webhook.tokenSha256',
      'more than two',
    ],
    [eventBridge({ url: '' }), '4: registries[0].eventBridge.url', 'is not the URL of an HTTP target'],
    [eventBridge({ url: `http://h.example.com${eventPath}` }), '4: registries[0].eventBridge.url', 'loopback address'],
    [eventBridge({ url: `https://a:b@h${eventPath}` }), '4: registries[0].eventBridge.url', 'without user name'],
    [eventBridge({ url: `https://h${eventPath}#x` }), '4: registries[0].eventBridge.url', 'fragment'],
    [eventBridge({ url: 'https://h/webhooks/eventbridge/other' }), '4: registries[0].eventBridge.url', eventPath],
    [eventBridge({ url: `https://h/?${eventPath}` }), '4: registries[0].eventBridge.url', 'does not lead to'],
    [eventBridge({ accountId: 'acs' }), '4: registries[0].eventBridge.accountId', 'is not the id of an account'],
    [eventBridge({ accountId: 1_234_567 }), '4: registries[0].eventBridge.accountId', 'put it in quotes'],
    [eventBridge({ tokenSha256: [] }), '4: registries[0].eventBridge.tokenSha256', 'autosign token new'],
    [eventBridge({ tokenSha256: ['abc'] }), '4: registries[0].eventBridge.tokenSha256[0]', '64 lower-case hex'],
    [eventBridge({ tokenSha256: [sha, sha, sha] }), '4: registries[0].eventBridge.tokenSha256', 'more than two'],
    [eventBridge({ tokenSha256: undefined }), '4: registries[0].eventBridge.tokenSha256', 'is missing'],
    [eventBridge({ certificateFile: '' }), '4: registries[0].eventBridge.certificateFile', 'is empty'],
    [
      eventBridge({ token: 'secret' }),
      '4: registries[0].eventBridge.token',
      'known here are url, accountId, tokenSha256',
    ],
    [eventBridge({}, ''), '4: registries[0].eventBridge', 'stands without acr'],
    [
      eventBridge({}, ', acr: { instanceId: cri-1, region: cn-hangzhou, accountId: "9999999999" }'),
      '4: registries[0].eventBridge.accountId',
      'another account than that of acr',
    ],
    [kms(', via: []'), '9: keys[3].kms.via', 'is empty', 'leave it out'],
    [kms(', via: [{ roleArn: "acs:ram::1:user/u" }]'), '9: keys[3].kms.via[0].roleArn', 'is not the ARN of a role'],
    [kms(`, via: [${Array(5).fill('{ roleArn: "acs:ram::1:role/r" }')}]`), '9: keys[3].kms.via', 'more than 4 roles'],
    [kms(', via: [{ roleArn: "acs:ram::1:role/r", policy: x }]'), '9: keys[3].kms.via[0].policy', 'known here are'],
    [kms(', externalId: x'), '9: keys[3].kms.externalId', 'is shorter than an external id'],
    [kms(', sessionDuration: 10m'), '9: keys[3].kms.sessionDuration', 'write 15m to 12h'],
    [kms(', sessionDuration: 13h'), '9: keys[3].kms.sessionDuration', 'write 15m to 12h'],
    [kms(', sessionDuration: 1x'), '9: keys[3].kms.sessionDuration', 'is not a duration'],
    [kms(', endpoint: "https://kms.example.com"'), '9: keys[3].kms.endpoint', 'write host or host:port'],
    [kms(', endpoint: "http://kms.example.com"'), '9: keys[3].kms.endpoint', 'loopback'],
    [kms(', stsEndpoint: "http://10.0.0.1:80"'), '9: keys[3].kms.stsEndpoint', 'loopback'],
    [kms(', stsEndpoint: "sts.example.com/path"'), '9: keys[3].kms.stsEndpoint', 'is not an endpoint'],
    [
      key(', kms: { region: cn-hangzhou, keyId: k, keyVersionId: v, roleArn: "acs:ram::x:role/r" }'),
      '9: keys[3].kms.roleArn',
      'acs:ram::<account id>',
    ],
    [
      key(', kms: { region: cn-hangzhou, keyId: k, keyVersionId: v, roleArn: "acs:ram::1:user/r" }'),
      '9: keys[3].kms.roleArn',
      'not the ARN of a role',
    ],
    [
      key(', kms: { region: Hangzhou, keyId: k, keyVersionId: v, roleArn: "acs:ram::1:role/r" }'),
      '9: keys[3].kms.region',
      'cn-hangzhou',
    ],
    [
      key(', kms: { region: cn-hangzhou, keyId: k, roleArn: "acs:ram::1:role/r" }'),
      '9: keys[3].kms.keyVersionId',
      'is missing',
    ],
  ];
  testRows(rows);
});

describe('refuses patterns that cannot mean what they seem to', () => {
  const pattern = (field: string, text: string): string => rule(`${ecdsa}, ${field}: { exclude: [${text}] }`);
  const rows: readonly Row[] = [
    [pattern('tags', '""'), '11: rules[0].tags.exclude[0]', 'is empty'],
    [pattern('tags', '"v[12]"'), '11: rules[0].tags.exclude[0]', 'only * and ** are special'],
    [pattern('tags', '"{a,b}"'), '11: rules[0].tags.exclude[0]', 'only * and ** are special'],
    [pattern('tags', '"v?"'), '11: rules[0].tags.exclude[0]', 'only * and ** are special'],
    [pattern('tags', '"!v1"'), '11: rules[0].tags.exclude[0]', 'only * and ** are special'],
    [pattern('tags', '"a/b"'), '11: rules[0].tags.exclude[0]', 'holds "/", which no tag has'],
    [pattern('tags', '"a b"'), '11: rules[0].tags.exclude[0]', 'holds " ", which a tag never has'],
    [pattern('namespaces', '"prod/**"'), '11: rules[0].namespaces.exclude[0]', 'holds "/", which no namespace has'],
    [pattern('namespaces', 'Prod'), '11: rules[0].namespaces.exclude[0]', 'holds "P"', 'lower-case'],
    [pattern('repositories', '"sandbox/"'), '11: rules[0].repositories.exclude[0]', 'has an empty level'],
    [pattern('repositories', '"/sandbox"'), '11: rules[0].repositories.exclude[0]', 'has an empty level'],
    [pattern('repositories', '"a//b"'), '11: rules[0].repositories.exclude[0]', 'has an empty level'],
    [pattern('repositories', '"***"'), '11: rules[0].repositories.exclude[0]', 'three stars'],
    [pattern('repositories', '"app:v1"'), '11: rules[0].repositories.exclude[0]', 'holds ":"'],
    [pattern('repositories', 'a'.repeat(256)), '11: rules[0].repositories.exclude[0]', 'longer than 255'],
    [rule(`${ecdsa}, tags: { include: [] }`), '11: rules[0].tags.include', 'would match nothing'],
    [
      rule(`${ecdsa}, tags: { include: [${Array(101).fill('a').join(',')}] }`),
      '11: rules[0].tags.include',
      'more than 100 patterns',
    ],
  ];
  testRows(rows);
});

describe('refuses names that stand twice or lead nowhere', () => {
  const rows: readonly Row[] = [
    [secondRule(`{ name: all, registries: [lab]${ecdsa} }`), '12: rules[1].name', 'two rules "all"', 'rules.yaml:11'],
    [rule(`${ecdsa} }\nkeys2: {`), '12: keys2', 'did you mean "keys"?'],
    [rule(', key: devv, algorithm: ECDSA_SHA_256'), '11: rules[0].key', 'no key "devv"', 'did you mean "dev"?'],
    [
      secondRule(`{ name: second, registries: [lab, prod]${ecdsa} }`),
      '12: rules[1].registries[1]',
      'no registry "prod"',
      'there are lab',
    ],
    [secondRule(`{ name: second, registries: [lab, lab]${ecdsa} }`), '12: rules[1].registries[1]', 'named twice'],
    [rule(`${ecdsa}, formats: [notation, notation]`), '11: rules[0].formats[1]', 'named twice'],
    [registry(' }\n  - { name: lab, host: other.example.com'), '5: registries[1].name', 'two registries "lab"'],
    [
      key(', local: { privateKeyFile: x.pem } }\n  - { name: dev, spec: EC_P256, local: { privateKeyFile: x.pem }'),
      '10: keys[4].name',
      'two keys "dev"',
    ],
    [
      registry(' }\n  - { name: two, host: REGISTRY.example.com'),
      '5: registries[1].host',
      'belongs to another registry',
    ],
    [
      registry(' }\n  - { name: two, host: b.example.com, aliases: [registry.example.com]'),
      '5: registries[1].aliases[0]',
      'belongs to another registry',
    ],
    [
      registry(
        `, webhook: { tokenSha256: [${sha}] } }\n  - { name: two, host: b.example.com, webhook: { tokenSha256: [${sha}] }`,
      ),
      '5: registries[1].webhook.tokenSha256[0]',
      'give each registry its own token',
    ],
    [registry(`, webhook: { tokenSha256: [${sha}, ${sha}] }`), '4: registries[0].webhook.tokenSha256[1]', 'already'],
  ];
  testRows(rows);
});

describe('refuses what the key or a verifier would reject', () => {
  const rows: readonly Row[] = [
    [
      rule(', key: rsa, algorithm: ECDSA_SHA_256'),
      '11: rules[0].algorithm',
      'RSA_2048 cannot make ECDSA_SHA_256',
      'RSA_PSS_SHA_256 or',
    ],
    [rule(', key: dev, algorithm: RSA_PSS_SHA_256'), '11: rules[0].algorithm', 'EC_P256 cannot make RSA_PSS_SHA_256'],
    [
      rule(', key: dev, algorithm: RSA_PKCS1_SHA_256'),
      '11: rules[0].algorithm',
      'EC_P256 cannot make RSA_PKCS1_SHA_256',
    ],
    [
      rule(', key: big, algorithm: RSA_PSS_SHA_256'),
      '11: rules[0].algorithm',
      'RSA_3072',
      'demands SHA-384',
      'KMS signs SHA-256 only',
    ],
    [rule(', key: big, algorithm: RSA_PSS_SHA_256, formats: [notation]'), '11: rules[0].formats[0]', 'demands SHA-384'],
    [
      rulesText({ defaults: '{ formats: [notation] }', rule: ', key: big, algorithm: RSA_PSS_SHA_256' }),
      '2: defaults.formats[0]',
      'for rule "all"',
      'demands SHA-384',
    ],
    [
      rule(', key: rsa, algorithm: RSA_PSS_SHA_256, formats: [cosign]'),
      '11: rules[0].formats[0]',
      'cosign cannot be made with RSA_PSS_SHA_256',
    ],
    [
      rule(', key: rsa, algorithm: RSA_PKCS1_SHA_256, formats: [cosign, notation]'),
      '11: rules[0].formats[1]',
      'notation cannot be made with RSA_PKCS1_SHA_256',
      'RSASSA-PSS',
    ],
    [
      rulesText({ defaults: '{ formats: [cosign] }', rule: ', key: rsa, algorithm: RSA_PSS_SHA_256' }),
      '2: defaults.formats[0]',
      'for rule "all"',
      'PKCS #1 v1.5 only',
    ],
    [rule(`${ecdsa}, formats: [attestation]`), '11: rules[0].formats[0]', 'attestation cannot be made in mode minimal'],
    [rule(`${ecdsa}, mode: minimal, formats: [attestation]`), '11: rules[0].formats[0]', 'kritis binds the repository'],
    [rule(`${ecdsa}, expiry: 60d`), '11: rules[0].expiry', '60d is not more than twice renewBefore (30d) of key "dev"'],
    [defaults('{ expiry: 12h }'), '2: defaults.expiry', 'for rule "all"', 'not more than twice'],
    [key(''.padEnd(1)), '9: keys[3]', 'none of kms, kmsInstance and local'],
    [
      key(
        ', local: { privateKeyFile: x.pem }, kms: { region: cn-hangzhou, keyId: k, keyVersionId: v, roleArn: "acs:ram::1:role/r" }',
      ),
      '9: keys[3]',
      'kms and local; write exactly one',
    ],
    [instance('clientKeyFile: c.json'), '9: keys[3].kmsInstance.keyId', 'is missing'],
    [instance('keyId: k, endpoint: "https://kst-1.example.com"'), '9: keys[3].kmsInstance.endpoint', 'not an endpoint'],
    [instance('keyId: k, endpoint: "http://kst-1.example.com"'), '9: keys[3].kmsInstance.endpoint', 'not an endpoint'],
    [instance('keyId: k, passwordEnv: "hunter 2"'), '9: keys[3].kmsInstance.passwordEnv', 'never the password itself'],
    [instance('keyId: k, password: hunter2'), '9: keys[3].kmsInstance.password', 'is not a known key'],
    [
      instance('keyId: k, clientKeyId: "KAAP 1", privateKeyFile: k.pem'),
      '9: keys[3].kmsInstance.clientKeyId',
      'is not the id of a ClientKey',
    ],
    [
      instance('keyId: k, clientKeyFile: c.json, privateKeyFile: k.pem'),
      '9: keys[3].kmsInstance.privateKeyFile',
      'stands beside clientKeyFile',
    ],
    [
      instance('keyId: k, clientKeyFile: c.json, clientKeyId: KAAP.1'),
      '9: keys[3].kmsInstance.clientKeyId',
      'stands beside clientKeyFile',
    ],
    [instance('keyId: k, clientKeyId: KAAP.1'), '9: keys[3].kmsInstance.clientKeyId', 'add privateKeyFile'],
    [instance('keyId: k, privateKeyFile: k.pem'), '9: keys[3].kmsInstance.privateKeyFile', 'add clientKeyId'],
    [
      instance('keyId: k, clientKeyId: KAAP.1, privateKeyFile: k.pem, passwordEnv: P'),
      '9: keys[3].kmsInstance.passwordEnv',
      'leave it out',
    ],
    [rest('deny:\n  - { digest: "sha256:abc", reason: r }'), '13: deny[0].digest', 'is not a digest'],
    [rest(`deny:\n  - { digest: "sha256:${sha}", reason: "" }`), '13: deny[0].reason', 'is empty'],
    [
      rest(`deny:\n  - { digest: "sha256:${sha}", reason: r, until: tomorrow }`),
      '13: deny[0].until',
      'is not a time',
      'null for good',
    ],
    [
      rest(`deny:\n  - { digest: "sha256:${sha}", reason: r, until: 2027-02-30 }`),
      '13: deny[0].until',
      'is not a time',
    ],
    [
      rest(`deny:\n  - { digest: "sha256:${sha}", reason: r, until: 2027-01-01T10:00:00 }`),
      '13: deny[0].until',
      'is not a time',
    ],
  ];
  testRows(rows);
});

describe('refuses what is not built yet and says so', () => {
  const yet = 'not supported yet';
  const rows: readonly Row[] = [
    [rule(`${ecdsa}, mode: default, formats: [attestation]`), '11: rules[0].formats[0]', 'the format attestation', yet],
    [rule(`${ecdsa}, envelope: cose`), '11: rules[0].envelope', yet],
    [rule(`${ecdsa}, expiry: 90d`), '11: rules[0].expiry', yet],
    [
      rule(`${ecdsa}, timestamp: { url: "http://tsa.example.com", rootCertificate: tsa.pem }`),
      '11: rules[0].timestamp',
      yet,
    ],
    [rule(`${ecdsa}, cosign: bundle`), '11: rules[0].cosign', yet],
    [rule(`${ecdsa}, platforms: all`), '11: rules[0].platforms', yet],
    [defaults('{ formats: [attestation], mode: default }'), '2: defaults.formats[0]', yet],
    [defaults('{ platforms: all }'), '2: defaults.platforms', yet],
    [defaults('{ envelope: cose }'), '2: defaults.envelope', yet],
    [defaults('{ expiry: 1000d }'), '2: defaults.expiry', yet],
  ];
  testRows(rows);
});

describe('refuses an ACR instance that cannot be used', () => {
  const acr = (more: string) => registry(`, acr: { instanceId: cri-1, region: cn-hangzhou${more} }`);
  const rows: readonly Row[] = [
    [
      registry(', acr: { instanceId: cri-1, region: cn-hangzhou }, login: { username: a, passwordEnv: B }'),
      '4: registries[0].login',
      'stands beside acr',
    ],
    [
      registry(', acr: { instanceId: prod, region: cn-hangzhou }'),
      '4: registries[0].acr.instanceId',
      'begins with "cri-"',
    ],
    [registry(', acr: { instanceId: cri-1, region: Hangzhou }'), '4: registries[0].acr.region', 'is not a region id'],
    [registry(', acr: { instanceId: cri-1 }'), '4: registries[0].acr.region'],
    [acr(', accountId: 1234'), '4: registries[0].acr.accountId'],
    [acr(', endpoint: "http://cr.cn-hangzhou.aliyuncs.com"'), '4: registries[0].acr.endpoint', 'is not an endpoint'],
    [acr(', endpoint: "https://cr.cn-hangzhou.aliyuncs.com"'), '4: registries[0].acr.endpoint', 'is not an endpoint'],
    [acr(', roleArn: worker'), '4: registries[0].acr.roleArn', 'is not the ARN of a role'],
    [acr(', externalId: abc'), '4: registries[0].acr.externalId', 'stands without roleArn'],
    [acr(', stsEndpoint: sts.aliyuncs.com'), '4: registries[0].acr.stsEndpoint', 'stands without roleArn'],
    [acr(', accessKeyId: LTAI'), '4: registries[0].acr.accessKeyId'],
  ];
  testRows(rows);
});

test('reports every problem of every file at once, in the order of the files and lines', async () => {
  const main = `${rulesText({ defaults: '{ mode: full }', registry: ', plainHttp: true', rule: ', key: nope, algorithm: ECDSA_SHA_256' })}\ninclude: [more.yaml, gone.yaml]`;
  const more = 'rules:\n  - { name: all, registries: [lab], key: dev, algorithm: ECDSA_SHA_256 }\n  - { name: x }';
  expect(await refusalOf(main, { 'more.yaml': more })).toEqual([
    expect.stringMatching(/^rules\.yaml:2: defaults\.mode: /),
    expect.stringMatching(/^rules\.yaml:4: registries\[0\]\.plainHttp: /),
    expect.stringMatching(/^rules\.yaml:11: rules\[0\]\.key: /),
    expect.stringMatching(/^rules\.yaml:13: include\[1\]: gone\.yaml cannot be read/),
    expect.stringMatching(/^more\.yaml:2: rules\[0\]\.name: there are two rules "all".*rules\.yaml:11/),
    expect.stringMatching(/^more\.yaml:3: rules\[1\]\.registries: is missing/),
    expect.stringMatching(/^more\.yaml:3: rules\[1\]\.key: is missing/),
    expect.stringMatching(/^more\.yaml:3: rules\[1\]\.algorithm: is missing/),
  ]);
});

test('never repeats a value that may be a secret', async () => {
  const text = registry(
    ', login: { username: a, passwordEnv: "hunter 2" }, realms: ["https://a:hunter2@x.example.com"], webhook: { tokenSha256: [hunter2] }',
  );
  expect((await refusalOf(text)).join('\n')).not.toMatch(/hunter/);
});

describe('refuses keys in KMS that could mean several', () => {
  const withId = (id: string): string => kms('').replace('keyId: key-1', `keyId: "${id}"`);
  const rows: readonly Row[] = [
    [withId('*'), '9: keys[3].kms.keyId', 'is not the id of a key'],
    [withId('alias/a b'), '9: keys[3].kms.keyId', 'is not the id of a key'],
    [withId('key-?'), '9: keys[3].kms.keyId', 'write the id, or alias/'],
    [kms(', managementEndpoint: "https://kms.x"'), '9: keys[3].kms.managementEndpoint', 'is not an endpoint'],
  ];
  testRows(rows);
});

describe('refuses quotas that limit nothing or nobody', () => {
  const quota = (text: string, more = ''): string =>
    `${kms(more).replace('::123:', '::12345:')}\nquotas:\n  - { ${text} }`;
  const sound = 'accountId: "12345", region: cn-hangzhou';
  const instance = ', endpoint: kst-1.cryptoservice.kms.aliyuncs.com';
  const rows: readonly Row[] = [
    [quota('accountId: 12345, region: cn-hangzhou'), '14: quotas[0].accountId', 'is a number', 'put it in quotes'],
    [quota('accountId: "12x", region: cn-hangzhou'), '14: quotas[0].accountId', 'is not the id of an account'],
    [quota('accountId: "12345"'), '14: quotas[0].region', 'is missing'],
    [quota(`${sound}, perSecond: 0`), '14: quotas[0].perSecond', 'less than one call a second', 'state: off'],
    [quota(`${sound}, perSecond: 1.5`), '14: quotas[0].perSecond', 'expected is a whole number'],
    [quota(`${sound}, perSecond: "180"`), '14: quotas[0].perSecond', 'is a text, expected is a number'],
    [quota(`${sound}, perSecond: 10001`), '14: quotas[0].perSecond', 'is more than 10000'],
    [quota(`${sound}, perDay: 0`), '14: quotas[0].perDay', 'less than one call a day'],
    [quota(`${sound}, perHour: 5`), '14: quotas[0].perHour', 'is not a known key'],
    [quota('accountId: "12346", region: cn-hangzhou'), '14: quotas[0]', 'no key of kms is in account 12346'],
    [quota('accountId: "12345", region: cn-beijing'), '14: quotas[0]', 'and region cn-beijing; correct it'],
    [quota(sound, instance), '14: quotas[0]', 'gateways of KMS instances, which have no quota'],
    [
      `${quota(`${sound}, perSecond: 5`)}\n  - { ${sound}, perDay: 5 }`,
      '15: quotas[1].accountId',
      'two entries for account 12345 in cn-hangzhou',
    ],
  ];
  testRows(rows);
});

describe('refuses a webhook that ACR could not call, or that no trigger can be made with', () => {
  const webhook = (text: string): string => registry(`, webhook: { tokenSha256: ["${sha}"]${text} }`);
  const at = '4: registries[0].webhook';
  const url = (text: string): string => webhook(`, url: "${text}", tokenEnv: T`);
  const rows: readonly Row[] = [
    [url('hooks.example.com'), `${at}.url`, 'is not the URL of a receiver', 'write https://HOST'],
    [url('ftp://hooks.example.com'), `${at}.url`, 'is not the URL of a receiver'],
    [url('https://user:secret@hooks.example.com'), `${at}.url`, 'without user name'],
    [url('https://hooks.example.com/?token=1'), `${at}.url`, 'query'],
    [url('https://hooks.example.com/#x'), `${at}.url`, 'fragment'],
    [url('https://hooks.example.com/webhooks/acr/lab/token'), `${at}.url`, 'it and the token are added'],
    [url('https://hooks.example.com:8443'), `${at}.url`, 'does not call by https', '443 alone'],
    [url('https://hooks.example.com:80'), `${at}.url`, 'does not call by https'],
    [url('http://hooks.example.com:22'), `${at}.url`, 'does not call', '1025 to 65535'],
    [url('http://hooks.example.com:1024'), `${at}.url`, 'does not call'],
    [url('http://hooks.example.com:0'), `${at}.url`, 'does not call'],
    [webhook(', url: "https://h.example.com"'), `${at}.url`, 'without a token', 'tokenEnv or tokenFile'],
    [webhook(', tokenEnv: T'), `${at}.tokenEnv`, 'stands without url'],
    [webhook(', tokenFile: t'), `${at}.tokenFile`, 'stands without url'],
    [webhook(', url: "https://h.example.com", tokenEnv: T, tokenFile: t'), `${at}.tokenFile`, 'keep one'],
    [webhook(', url: "https://h.example.com", tokenEnv: "the token"'), `${at}.tokenEnv`, 'write the name'],
    [url('https://h.example.com'), `${at}.url`, 'without acr', 'add acr'],
  ];
  testRows(rows);
});
