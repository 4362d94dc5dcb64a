import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKmsKey } from '../../../src/alibaba/kms-key.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { sample } from '../../emulator/sample-config.ts';
import { failureOf, startAccount, timeouts } from './account.ts';
import { makeServerCertificate } from './server-certificate.ts';

const publicKeyAnswer = {
  KeyId: sample.keys.EC_P256,
  KeyVersionId: sample.keyVersionId,
  RequestId: '1',
  PublicKey: '-----BEGIN PUBLIC KEY-----',
};

/** A gateway whose certificate the system does not know, like that of a KMS instance. */
async function startTlsGateway() {
  const { cert, key } = await makeServerCertificate({ type: 'ip', value: '127.0.0.1' });
  const server = createServer({ cert, key }, (_, response) => void response.end(JSON.stringify(publicKeyAnswer)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const directory = await mkdtemp(join(tmpdir(), 'autosign-ca-'));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, cert);
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  });
  return { endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`, caFile };
}

describe('a gateway with a certificate of its own authority', () => {
  it('is taken with that authority’s caFile', async () => {
    const { endpoint, caFile } = await startTlsGateway();
    const { base, source } = await startAccount();
    const kms = createKmsKey({ source: source({ endpoint, caFile }), base, clock: systemClock, timeouts });
    expect(await kms.getPublicKey()).toBe(publicKeyAnswer.PublicKey);
  });

  it('is refused without it', async () => {
    const { endpoint } = await startTlsGateway();
    const { base, source } = await startAccount();
    const kms = createKmsKey({ source: source({ endpoint }), base, clock: systemClock, timeouts });
    expect(await failureOf(kms.getPublicKey())).toMatchObject({
      code: 'kms-unreachable',
      message: expect.stringContaining('self-signed certificate'),
    });
  });
});
