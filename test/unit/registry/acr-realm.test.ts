import { expect, test } from 'vitest';
import { isAcrRealm } from '../../../src/registry/acr-realm.ts';
import { goodRealm, hostileRealms } from './hostile-addresses.ts';

test.each([
  goodRealm,
  'https://dockerauth.cn-hangzhou.aliyuncs.com',
  'https://dockerauth.cn-hangzhou.aliyuncs.com/',
  'https://dockerauth-ee.eu-central-1.aliyuncs.com/auth',
  'https://dockerauth-vpc.cn-shanghai-finance-1.aliyuncs.com/auth',
  'https://dockerauth-cn-zhangjiakou.aliyuncs.com/auth',
  'https://dockerauth-ee-ap-southeast-1.aliyuncs.com/auth',
])('%s is a token service of Container Registry', (realm) => {
  expect(isAcrRealm(realm)).toBe(true);
});

test('nothing that looks like one is', () => {
  expect(hostileRealms.filter(isAcrRealm)).toEqual([]);
});
