import { beforeEach, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { KeyRing } from '../../../src/signing/signing-key.ts';
import { withPauses } from '../../../src/worker/paused-keys.ts';
import { createPauses, type Pauses } from '../../../src/worker/pauses.ts';

const message = Buffer.from('message');
let time: number;
let asked: number;
let pauses: Pauses;
const keyRing = {
  get: () => ({
    state: 'ready',
    signingKey: {
      signer: {
        sign: async () => {
          asked += 1;
          return { signature: message };
        },
      },
    },
  }),
} as unknown as KeyRing;

beforeEach(() => {
  time = 0;
  asked = 0;
  pauses = createPauses({
    clock: { now: () => new Date(time) },
    onPaused: () => undefined,
    onResumed: () => undefined,
  });
});

function signerOf(ring: KeyRing) {
  const key = ring.get('release');
  if (key.state === 'paused') throw new Error(key.reason);
  return key.signingKey.signer;
}

test('a key that works is asked', async () => {
  await signerOf(withPauses(keyRing, pauses)).sign('ECDSA_SHA_256', message);
  expect(asked).toBe(1);
});

test('a paused key says so before anything is asked of anybody', () => {
  pauses.pause('key', 'release', 'disabled');
  expect(withPauses(keyRing, pauses).get('release')).toEqual({ state: 'paused', reason: 'disabled' });
});

test('after the pause one job asks the key, and the others wait for what it finds', async () => {
  pauses.pause('key', 'release', 'down');
  time += 1_000;
  const [one, other] = [signerOf(withPauses(keyRing, pauses)), signerOf(withPauses(keyRing, pauses))];
  await one.sign('ECDSA_SHA_256', message);
  await expect(other.sign('ECDSA_SHA_256', message)).rejects.toMatchObject({
    code: 'key-paused',
    kind: 'surroundings',
  });
  expect(asked).toBe(1);
});

test('jobs that need no signature take no turn from the one that does', async () => {
  pauses.pause('key', 'release', 'down');
  time += 1_000;
  for (let job = 0; job < 100; job += 1) signerOf(withPauses(keyRing, pauses));
  await signerOf(withPauses(keyRing, pauses)).sign('ECDSA_SHA_256', message);
  expect(asked).toBe(1);
});

test('what the key ring itself pauses stays paused', () => {
  const paused: KeyRing = { get: () => ({ state: 'paused', reason: 'its certificate ended' }) };
  expect(withPauses(paused, pauses).get('release')).toEqual({ state: 'paused', reason: 'its certificate ended' });
});

test('waiting for another job is no failure of the key', () => {
  expect(new AutosignError('key-paused', 'down').scope).not.toBe('key');
});
