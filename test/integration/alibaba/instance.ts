import { createPrivateKey } from 'node:crypto';
import { type ClientKey, readClientKeyFile } from '../../../src/alibaba/client-key.ts';
import { createKmsInstanceKey, type KmsInstanceKeyOptions } from '../../../src/alibaba/kms-instance-key.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { sample } from '../../emulator/sample-config.ts';
import { makeClientKey } from '../../support/client-keys.ts';
import { startAccount, timeouts } from './account.ts';

// Made once a file, as the keys of the account are.
const made = makeClientKey();
const clientKey = readClientKeyFile(made.fileText, made.password);

/** An emulated account with a KMS instance that knows one ClientKey, and a client's view of it. */
export async function startInstance() {
  const account = await startAccount({ clientKeys: [{ id: made.id, publicKeyPem: made.publicKeyPem }] });
  return {
    ...account,
    made,
    clientKey,
    /** The sample's EC_P256 key, unless the options say otherwise. */
    instanceKey: (options: Partial<KmsInstanceKeyOptions> = {}) =>
      createKmsInstanceKey({
        endpoint: account.emulator.url,
        region: undefined,
        keyId: sample.keys.EC_P256,
        clientKey,
        ca: undefined,
        clock: systemClock,
        timeouts,
        ...options,
      }),
  };
}

/** The same ClientKey with another private key: what a wrong secret is here. */
export function withOtherPrivateKey(clientKey: ClientKey): ClientKey {
  return { ...clientKey, privateKey: createPrivateKey(makeClientKey({ fresh: true }).privateKeyPem) };
}
