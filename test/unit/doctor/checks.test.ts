import { describe, expect, test } from 'vitest';
import { type Check, type Finding, ok, runChecks } from '../../../src/doctor/check.ts';
import { clockChecks } from '../../../src/doctor/check-clock.ts';
import { type DoorAnswer, eventChecks } from '../../../src/doctor/check-events.ts';
import { identityChecks } from '../../../src/doctor/check-identity.ts';
import { type KeyFacts, keyChecks } from '../../../src/doctor/check-keys.ts';
import { redisChecks } from '../../../src/doctor/check-redis.ts';
import { AutosignError, nextStepOf } from '../../../src/domain/errors.ts';
import type { RedisServerFacts } from '../../../src/queue/redis-facts.ts';
import type { Key, Registry } from '../../../src/rules/rule-set.ts';

async function findingsOf(checks: readonly Check[]): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  await runChecks(checks, (finding) => findings.push(finding));
  return findings;
}

const now = () => new Date('2026-11-28T12:00:00Z');

describe('what a check finds', () => {
  test('is in the order of the checks, each with its place', async () => {
    const check = (subject: string): Check => ({ area: 'redis', subject, run: async () => [ok('fine'), ok('too')] });
    expect((await findingsOf([check('a'), check('b')])).map(({ subject }) => subject)).toEqual(['a', 'a', 'b', 'b']);
  });

  test('is a failure with the next step of its code when it throws, and the next check runs', async () => {
    const broken: Check = {
      area: 'key',
      subject: 'release',
      run: () => Promise.reject(new AutosignError('key-unusable', 'DescribeKey: Rejected.Disabled')),
    };
    const defect: Check = { area: 'key', subject: 'x', run: () => Promise.reject(new TypeError('no')) };
    expect(await findingsOf([broken, defect])).toEqual([
      {
        ...{ area: 'key', subject: 'release', result: 'failure' },
        ...{ detail: 'DescribeKey: Rejected.Disabled', next: nextStepOf('key-unusable') },
      },
      expect.objectContaining({ result: 'failure', detail: 'unexpected: TypeError: no', next: expect.any(String) }),
    ]);
  });
});

test.each<[string, Date | undefined, Finding['result'], string]>([
  ['the same time', now(), 'ok', 'within 5 s'],
  ['half a minute later', new Date('2026-11-28T12:00:30Z'), 'warning', '30.0 s behind'],
  ['half a minute earlier', new Date('2026-11-28T11:59:30Z'), 'warning', '30.0 s ahead'],
  ['two minutes later', new Date('2026-11-28T12:02:00Z'), 'failure', '120.0 s behind'],
  ['nothing', undefined, 'warning', 'does not tell'],
])('a clock that tells %s', async (_name, time, result, detail) => {
  const clock = { name: 'registry lab', read: async () => time };
  expect(await findingsOf(clockChecks([clock], now))).toEqual([
    expect.objectContaining({ area: 'clock', result, detail: expect.stringContaining(detail) }),
  ]);
});

test.each<[string, Parameters<typeof identityChecks>[0], readonly Finding['result'][]]>([
  ['a role', async () => ({ arn: 'acs:ram::1:role/w', isPermanent: false }), ['ok']],
  ['a user with an access key', async () => ({ arn: 'acs:ram::1:user/w', isPermanent: true }), ['ok', 'warning']],
  ['the account itself', async () => ({ arn: 'acs:ram::1:root', isPermanent: true }), ['failure']],
  ['nobody that STS tells of', async () => ({ arn: undefined, isPermanent: true }), ['failure']],
  ['none', () => Promise.reject(new AutosignError('credentials-missing', 'no identity')), ['failure']],
])('an identity that is %s', async (_name, read, results) => {
  expect((await findingsOf(identityChecks(read))).map(({ result }) => result)).toEqual(results);
});

const good: RedisServerFacts = { server: 'r:6379', version: '7.0.15', evictionPolicy: 'noeviction', appendOnly: true };

test.each<[string, Partial<RedisServerFacts>, Finding['result'], string]>([
  ['as it should be', {}, 'ok', 'Redis 7.0.15'],
  ['of an old version', { version: '6.0.16' }, 'failure', 'Redis 6.0.16'],
  ['that drops keys when it is full', { evictionPolicy: 'allkeys-lru' }, 'failure', 'allkeys-lru'],
  ['that keeps nothing over a restart', { appendOnly: false }, 'warning', 'no append-only file'],
  ['that does not tell its policy', { evictionPolicy: undefined }, 'warning', 'when it is full'],
])('a Redis %s', async (_name, facts, result, detail) => {
  const findings = await findingsOf(redisChecks({ read: async () => [{ ...good, ...facts }] }));
  expect(findings).toContainEqual(expect.objectContaining({ result, detail: expect.stringContaining(detail) }));
  expect(findings.filter((finding) => finding.result !== 'ok')).toHaveLength(result === 'ok' ? 0 : 1);
  expect(findings.every((finding) => finding.result === 'ok' || finding.next !== undefined)).toBe(true);
});

describe('a key', () => {
  const key: Key = {
    name: 'release',
    spec: 'EC_P256',
    source: { kind: 'local', privateKeyFile: 'k.pem' },
    publicKeyFile: 'k.pub.pem',
    publicKeySha256: 'aa',
    certificateChain: undefined,
    trusted: [],
    renewBeforeMs: 1,
    origin: { file: 'rules.yaml', line: 9 },
  };
  const facts: KeyFacts = {
    ...{ spec: 'EC_P256', usage: 'SIGN/VERIFY', state: 'Enabled' },
    ...{ publicKeySha256: 'aa', versions: 1 },
  };
  const kms = { ...key, source: { kind: 'kms' } as Key['source'] };
  const found = (some: Partial<KeyFacts>, of: Key = kms, ends?: Date) =>
    findingsOf(
      keyChecks(
        [
          {
            key: of,
            readFacts: async () => ({ ...facts, ...some }),
            trySigning: async () => undefined,
            accessEnds: ends && (async () => ends),
          },
        ],
        now,
      ),
    );

  test('that is what the rules say is in order, a local one with a warning', async () => {
    expect((await found({})).map(({ result }) => result)).toEqual(['ok', 'ok']);
    expect((await found({}, key)).map(({ result }) => result)).toEqual(['ok', 'warning']);
  });

  test.each<[Partial<KeyFacts>, string]>([
    [{ spec: 'RSA_2048' }, 'spec is RSA_2048, rules.yaml:9 says EC_P256'],
    [{ publicKeySha256: 'bb' }, 'publicKeySha256 is bb, rules.yaml:9 says aa'],
    [{ usage: 'ENCRYPT/DECRYPT' }, 'its usage is ENCRYPT/DECRYPT'],
    [{ state: 'PendingDeletion' }, 'its state is PendingDeletion'],
  ])('that differs by %j fails with what differs', async (some, detail) => {
    expect(await found(some)).toContainEqual(expect.objectContaining({ result: 'failure', detail }));
  });

  test.each<[string, Finding['result']]>([
    ['2026-11-01T00:00:00Z', 'failure'],
    ['2026-12-10T00:00:00Z', 'warning'],
    ['2028-01-01T00:00:00Z', 'ok'],
  ])('whose ClientKey ends at %s', async (ends, result) => {
    expect((await found({}, kms, new Date(ends))).at(-1)).toMatchObject({ result });
  });
});

describe('the way of events', () => {
  const registry = { name: 'prod', webhook: undefined, eventBridge: undefined } as Registry;
  const url = 'https://hooks.example.com/x';
  const trigger = { url, token: { kind: 'env', name: 'T' } } as const;
  const ours: DoorAnswer = { status: 401, error: 'unknown registry or wrong token' };
  const found = (some: Partial<Registry>, answer: DoorAnswer | Error) => {
    const asked: string[] = [];
    const knock = async (at: URL) => {
      asked.push(at.href);
      if (answer instanceof Error) throw answer;
      return answer;
    };
    return findingsOf(eventChecks({ registries: [{ ...registry, ...some }], knock })).then((all) => ({ all, asked }));
  };

  test('is our receiver when it turns us away in its own words', async () => {
    const { all, asked } = await found({ webhook: { tokenSha256: [], trigger } }, ours);
    expect(all).toMatchObject([{ result: 'ok' }]);
    expect(asked).toEqual([`${url}/webhooks/acr/prod/doctor`]);
  });

  test.each<[string, DoorAnswer | Error]>([
    ['another server', { status: 404, error: undefined }],
    ['a login page', { status: 200, error: undefined }],
    ['a proxy that wants a login', { status: 401, error: 'login required' }],
    ['nobody', new Error('ECONNREFUSED')],
  ])('is broken when %s answers', async (_name, answer) => {
    const { all } = await found({ webhook: { tokenSha256: [], trigger } }, answer);
    expect(all).toMatchObject([{ result: 'failure', next: expect.stringContaining('443') }]);
  });

  test('wants a look where there is none, or where its address is not known', async () => {
    expect((await found({}, ours)).all).toMatchObject([
      { result: 'warning', next: expect.stringMatching(/RECONCILE/) },
    ]);
    const { all, asked } = await found({ webhook: { tokenSha256: [], trigger: undefined } }, ours);
    expect(all).toMatchObject([{ result: 'warning' }]);
    expect(asked).toEqual([]);
  });
});
