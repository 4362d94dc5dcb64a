import { expect, test } from 'vitest';
import { quotaOf } from '../../../src/rules/quota-of.ts';
import { loadText, rulesText } from './rules-text.ts';

const kms = (more = '') =>
  rulesText({
    key: `, kms: { region: cn-hangzhou, keyId: k, keyVersionId: v, roleArn: "acs:ram::12345:role/Signer"${more} }`,
  });

async function quotaIn(text: string, name = 'extra') {
  const ruleSet = await loadText(text);
  const key = ruleSet.keys.get(name);
  if (key === undefined) throw new Error(`no key ${name}`);
  return quotaOf(ruleSet, key);
}

test('a key in KMS has 180 calls a second of its account and region, and no limit a day', async () => {
  expect(await quotaIn(kms())).toEqual({ name: '12345/cn-hangzhou', perSecond: 180, perDay: undefined });
});

test('the entry for its account and region says otherwise', async () => {
  const text = `${kms()}\nquotas: [{ accountId: "12345", region: cn-hangzhou, perSecond: 20, perDay: 1000 }]`;
  expect(await quotaIn(text)).toEqual({ name: '12345/cn-hangzhou', perSecond: 20, perDay: 1000 });
});

test('an entry that says one of both leaves the other as it is', async () => {
  const text = `${kms()}\nquotas: [{ accountId: "12345", region: cn-hangzhou, perDay: 1000 }]`;
  expect(await quotaIn(text)).toEqual({ name: '12345/cn-hangzhou', perSecond: 180, perDay: 1000 });
});

test('a key by a VPC address counts against the same quota', async () => {
  expect(await quotaIn(kms(', endpoint: kms-vpc.cn-hangzhou.aliyuncs.com'))).toMatchObject({
    name: '12345/cn-hangzhou',
  });
});

test.each(['kst-hzz1.cryptoservice.kms.aliyuncs.com', 'kst-hzz1.cryptoservice.kms.aliyuncs.com:443'])(
  'a key by the gateway %s of its instance has none',
  async (endpoint) => {
    expect(await quotaIn(kms(`, endpoint: "${endpoint}"`))).toBeUndefined();
  },
);

test('a key in a file has none', async () => {
  expect(await quotaIn(kms(), 'dev')).toBeUndefined();
});
