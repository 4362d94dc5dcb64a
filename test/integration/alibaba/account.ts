import { generateKeyPairSync } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { createKmsKey } from '../../../src/alibaba/kms-key.ts';
import { type Clock, systemClock } from '../../../src/ports/clock.ts';
import type { KmsKeySource } from '../../../src/rules/rule-set.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { keySource, permanentKey } from '../../emulator/sample-client.ts';
import { sample, sampleConfig } from '../../emulator/sample-config.ts';
import { startEmulator } from '../../emulator/start-emulator.ts';

export { keySource, permanentKey } from '../../emulator/sample-client.ts';

/** Far above what loopback needs, far below a test's own limit. */
export const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 5_000 };

const pem = { type: 'pkcs8', format: 'pem' } as const;
/** Made once a file: RSA keys take long. */
const privateKeys = {
  RSA_2048: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem).toString(),
  RSA_3072: generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export(pem).toString(),
  EC_P256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem).toString(),
};
const keys = (['RSA_2048', 'RSA_3072', 'EC_P256'] as const).map((spec) => ({
  keyId: sample.keys[spec],
  spec,
  versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem: privateKeys[spec] }],
}));

/** One emulated account for one test, stopped when it ends, and a client's view of it. */
export async function startAccount(overrides: Partial<EmulatorConfig> = {}, sessionClock: Clock = systemClock) {
  const { config, accessKeySecret } = sampleConfig({ keys, ...overrides });
  const emulator = await startEmulator(config, sessionClock);
  onTestFinished(() => emulator.close());
  const base = permanentKey(accessKeySecret);
  return {
    emulator,
    accessKeySecret,
    base,
    source: (overrides: Partial<KmsKeySource> = {}) => keySource(emulator.url, overrides),
    key: (overrides: Partial<KmsKeySource> = {}, clock: Clock = systemClock) =>
      createKmsKey({ source: keySource(emulator.url, overrides), base, clock, timeouts }),
  };
}

/** Everything that a log line or a dead letter could take from an error. */
export function allTextOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const fields = JSON.stringify(error, Object.getOwnPropertyNames(error));
  return `${error.stack ?? ''} ${fields} ${error.cause === undefined ? '' : allTextOf(error.cause)}`;
}

/** The error of a promise that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was expected to fail and did not');
}
