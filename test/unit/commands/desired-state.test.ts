import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createDesiredState, type DesiredState } from '../../../src/commands/desired-state.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import type { Key, Registry, Rule, RuleSet } from '../../../src/rules/rule-set.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'autosign-desired-'));
afterAll(() => rmSync(directory, { recursive: true }));
const release = signingKey('EC_P256');
writeFileSync(join(directory, 'release.pub.pem'), release.publicKeyPem);
writeFileSync(join(directory, 'release.pem'), await signingCertificate(release));

const origin = { file: 'rules.yaml', line: 1 };
function keyNamed(name: string): Key {
  return {
    name,
    spec: 'EC_P256',
    source: { kind: 'local', privateKeyFile: 'private.pem' },
    publicKeyFile: join(directory, 'release.pub.pem'),
    publicKeySha256: release.publicKeySha256,
    certificateChain: join(directory, 'release.pem'),
    trusted: [],
    renewBeforeMs: 0,
    origin,
  };
}
const lab = {
  name: 'lab',
  host: '127.0.0.1:1',
  identityHost: 'lab',
  aliases: [],
  plainHttp: true,
  realms: [],
  origin,
} as unknown as Registry;

function rulesWith(keys: readonly Key[], more: Partial<RuleSet> = {}): RuleSet {
  const rules = keys.map((key) => ({ name: key.name, key: key.name, state: 'sign' }) as Rule);
  return {
    registries: new Map([['lab', lab]]),
    keys: new Map(keys.map((key) => [key.name, key])),
    rules,
    deny: [],
    quotas: [],
    files: [],
    hash: '',
    ...more,
  };
}

const deny = [{ digest: digestOf(new Uint8Array()), reason: 'leaked', until: undefined, origin }];
let inForce: RuleSet;
let gates: Map<string, PromiseWithResolvers<void>>;
let state: DesiredState;
beforeEach(async () => {
  inForce = rulesWith([keyNamed('fast')]);
  gates = new Map();
  state = await createDesiredState({
    rules: () => inForce,
    lock: { hold: () => Promise.reject(new Error('nothing is written here')) },
    opener: {
      open: async () => ({ ...release.signer, getPublicKey: async () => release.publicKeyPem }),
      probe: async ({ name }) => gates.get(name)?.promise,
    },
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    env: {},
  });
});

test('a deny entry is in force at once, though a key of older rules keeps KMS waiting, and stays when that ends', async () => {
  const slow = Promise.withResolvers<void>();
  gates.set('slow', slow);
  const withSlowKey = rulesWith([keyNamed('fast'), keyNamed('slow')]);
  inForce = withSlowKey;
  const second = state.update();
  inForce = { ...withSlowKey, deny };
  const third = state.update();
  expect(state.current().ruleSet.deny).toEqual(deny);

  slow.resolve();
  await Promise.all([second, third]);

  expect(state.current().ruleSet).toBe(inForce);
  expect(state.current().keyRing.get('slow').state).toBe('ready');
});

test('a key that did not change works on while others are looked at; a new one waits', async () => {
  const slow = Promise.withResolvers<void>();
  gates.set('slow', slow);
  inForce = rulesWith([{ ...keyNamed('fast'), origin: { ...origin, line: 7 } }, keyNamed('slow')]);
  const update = state.update();
  expect(state.current().keyRing.get('fast').state).toBe('ready');
  expect(state.current().keyRing.get('slow')).toMatchObject({ state: 'paused' });
  slow.resolve();
  await update;
  expect(state.current().keyRing.get('slow').state).toBe('ready');
});

test('a changed key does not sign with what it was before', () => {
  gates.set('fast', Promise.withResolvers<void>());
  inForce = rulesWith([{ ...keyNamed('fast'), renewBeforeMs: 1 }]);
  void state.update();
  expect(state.current().keyRing.get('fast')).toMatchObject({ state: 'paused' });
});

test('a registry whose entry says the same stays open', async () => {
  const before = state.current().registries.get('lab')?.client;
  inForce = rulesWith([keyNamed('fast')], {
    registries: new Map([['lab', { ...lab, origin: { ...origin, line: 9 } }]]),
  });
  await state.update();
  expect(state.current().registries.get('lab')?.client).toBe(before);
});

test('a load that fails unexpectedly is told, and the next one runs', async () => {
  const failing = Promise.withResolvers<void>();
  failing.promise.catch(() => undefined);
  gates.set('fast', failing);
  const failed = state.update();
  failing.reject(new Error('a defect'));
  await expect(failed).rejects.toThrow('a defect');
  gates.clear();
  await state.update();
  expect(state.current().keyRing.get('fast').state).toBe('ready');
});
