import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import { createRegistryClient, type RegistryClient } from '../../../src/registry/registry-client.ts';
import { credentials } from './client-for.ts';
import { goodRealm, hostileAddresses, hostileRealms } from './hostile-addresses.ts';
import { type RecordedInternet, startRecordedInternet } from './recorded-internet.ts';
import type { Answer, Received, Script } from './scripted-server.ts';

// A registry of ACR that was taken over, or somebody on the way to it, tries to get its login, or a token of it, sent
// elsewhere. Whatever it points to, the client is the real one, and everybody who is asked for anything is recorded.

const host = 'prod-registry.cn-hangzhou.cr.aliyuncs.com';
const acr = {
  instanceId: 'cri-test',
  region: 'cn-hangzhou',
  accountId: undefined,
  endpoint: 'cr.cn-hangzhou.aliyuncs.com',
  role: undefined,
  stsEndpoint: 'sts.cn-hangzhou.aliyuncs.com',
};
const bearer = 'bearer-token-that-must-not-leak';
const bytes = Buffer.from('a blob');
const blob = { digest: digestOf(bytes), size: bytes.byteLength };
const service = 'registry.aliyuncs.com:cn-hangzhou:china:cri-test';

/** What the registry answers to whoever shows the token. */
let answer: Answer = {};
/** The realm that it names. */
let realm = goodRealm;
const registryScript: Script = ({ headers }) =>
  headers.authorization === `Bearer ${bearer}`
    ? answer
    : { status: 401, headers: { 'www-authenticate': `Bearer realm="${escaped(realm)}",service="${service}"` } };
const realmScript: Script = () => ({ body: JSON.stringify({ token: bearer, expires_in: 600 }) });

let internet: RecordedInternet;
beforeAll(async () => {
  internet = await startRecordedInternet({
    [`https://${host}`]: registryScript,
    'https://dockerauth.cn-hangzhou.aliyuncs.com': realmScript,
  });
});
afterAll(() => internet[Symbol.asyncDispose]());

function openClient(): RegistryClient {
  return createRegistryClient({
    registry: { host, plainHttp: false, realms: [], acr },
    login: { credentials: async () => credentials },
    userAgent: 'acr-autosign/test',
    limits: { triesMax: 1 },
    dispatcher: internet.dispatcher,
  });
}

/** In a quoted string of a header; what no header can hold is sent as UTF-8, as a careless server does. */
function escaped(text: string): string {
  return Buffer.from(text.replaceAll(/["\\]/g, '\\$&').replaceAll(/[\r\n]/g, ''), 'utf8').toString('latin1');
}

function header(text: string): string {
  return Buffer.from(text.replaceAll(/[\r\n]/g, ''), 'utf8').toString('latin1');
}

const secrets = [
  credentials.username,
  credentials.password,
  Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64'),
  bearer,
];

/** Everything that strangers were sent since the last look. */
let looked = 0;
function news(): readonly (Received & { readonly origin: string })[] {
  const found = internet.strangers.slice(looked);
  looked = internet.strangers.length;
  return found;
}

function secretsIn(received: readonly Received[]): readonly string[] {
  const text = received.map(({ path, headers, body }) => `${path}\n${JSON.stringify(headers)}\n${body}`).join('\n');
  const leaked = secrets.filter((secret) => text.includes(secret) || text.includes(encodeURIComponent(secret)));
  return /authorization/i.test(text) ? [...leaked, 'an Authorization header'] : leaked;
}

/** The code that the operation fails with, undefined when it goes well. */
async function codeOf(operation: (client: RegistryClient) => Promise<unknown>): Promise<string | undefined> {
  try {
    await operation(openClient());
    return undefined;
  } catch (error) {
    if (error instanceof AutosignError) return error.code;
    throw error;
  }
}

test('without anything hostile the login is used, so the token is there to be stolen', async () => {
  [realm, answer] = [goodRealm, { body: bytes }];
  expect(await codeOf((client) => client.getBlob('team/app', blob, 100))).toBeUndefined();
  expect(news()).toEqual([]);
});

test('there are more than a thousand addresses to try', () => {
  const tried = hostileRealms.length + 3 * hostileAddresses.length;
  expect(new Set(hostileRealms).size).toBe(hostileRealms.length);
  expect(tried).toBeGreaterThan(1_000);
});

/** Tries every address, and gives those that something was wrong with. */
async function tryAll(addresses: readonly string[], attempt: (address: string) => Promise<string | undefined>) {
  const wrong: string[] = [];
  for (const address of addresses) {
    const fault = await attempt(address);
    if (fault !== undefined) wrong.push(`${address}: ${fault}`);
  }
  return wrong;
}

/** Refused, and nobody was asked for anything. */
function refusal(code: string | undefined): string | undefined {
  const asked = news();
  if (asked.length > 0) return `${asked.map(({ method, origin, path }) => `${method} ${origin}${path}`)} was sent`;
  return code === undefined ? 'it was not refused' : undefined;
}

describe('a registry that points elsewhere gets nothing sent there', () => {
  test('for a token', async () => {
    answer = {};
    const wrong = await tryAll(hostileRealms, async (address) => {
      realm = address;
      const code = await codeOf((client) => client.getManifest('team/app', 'v1'));
      const fault = refusal(code);
      return fault ?? (code === 'registry-login-refused' ? undefined : `it was refused as ${code}`);
    });
    expect(wrong).toEqual([]);
  });

  test('for an upload', async () => {
    realm = goodRealm;
    const wrong = await tryAll(hostileAddresses, async (address) => {
      answer = { status: 202, headers: { location: header(address) } };
      return refusal(await codeOf((client) => client.uploadBlob('team/app', bytes, blob.digest)));
    });
    expect(wrong).toEqual([]);
  });

  test('for the next page of a list', async () => {
    realm = goodRealm;
    const wrong = await tryAll(hostileAddresses, async (address) => {
      // A list that goes on for one page only: what follows is refused, or was asked for from somebody.
      answer = { headers: { link: `<${header(address)}>; rel="next"` }, body: '{"tags":["v1"]}' };
      return refusal(await codeOf((client) => Array.fromAsync(client.listTags('team/app'))));
    });
    expect(wrong).toEqual([]);
  });
});

test('whoever a blob is redirected to gets no byte of a credential, and what is not public nothing at all', async () => {
  realm = goodRealm;
  let followed = 0;
  const wrong = await tryAll(hostileAddresses, async (address) => {
    answer = { status: 307, headers: { location: header(address) } };
    await codeOf((client) => client.getBlob('team/app', blob, 100));
    const asked = news();
    followed += asked.length;
    const inside = asked.find(({ origin }) => !origin.startsWith('https://') || isInside(new URL(origin).hostname));
    if (inside !== undefined) return `${inside.origin} was asked`;
    const leaked = secretsIn(asked);
    return leaked.length === 0 ? undefined : `got ${leaked}`;
  });
  expect(wrong).toEqual([]);
  // Object storage has names of many kinds, so that public hosts are followed to; without that nothing is shown here.
  expect(followed).toBeGreaterThan(100);
});

/** Written for these addresses alone, and otherwise than what it tests. */
function isInside(hostname: string): boolean {
  return (
    /^(?:0|10|127|169\.254|172\.16|192\.168|100\.64|100\.100)\./.test(hostname) ||
    /(?:^|\.)localhost\.?$/.test(hostname) ||
    /^\[(?:::|f[ed]|64:ff9b)/.test(hostname)
  );
}
