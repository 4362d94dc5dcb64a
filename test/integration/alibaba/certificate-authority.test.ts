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
import { startTlsFront } from './tls-front.ts';

const publicKeyAnswer = {
  KeyId: sample.keys.EC_P256,
  KeyVersionId: sample.keyVersionId,
  RequestId: '1',
  PublicKey: '-----BEGIN PUBLIC KEY-----',
};

/** A gateway whose certificate the system does not know, like that of a KMS instance. */
async function startTlsGateway(name: Parameters<typeof makeServerCertificate>[0] = { type: 'ip', value: '127.0.0.1' }) {
  const { cert, key } = await makeServerCertificate(name);
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

  it('is refused with the caFile of another authority', async () => {
    const [{ endpoint }, { caFile }] = [await startTlsGateway(), await startTlsGateway()];
    const { base, source } = await startAccount();
    const kms = createKmsKey({ source: source({ endpoint, caFile }), base, clock: systemClock, timeouts });
    expect(await failureOf(kms.getPublicKey())).toMatchObject({ code: 'kms-unreachable' });
  });

  it('is refused when its certificate is for another host, though by that authority', async () => {
    const { endpoint, caFile } = await startTlsGateway({ type: 'dns', value: 'kst-1.cryptoservice.kms.aliyuncs.com' });
    const { base, source } = await startAccount();
    const kms = createKmsKey({ source: source({ endpoint, caFile }), base, clock: systemClock, timeouts });
    expect(await failureOf(kms.getPublicKey())).toMatchObject({
      code: 'kms-unreachable',
      message: expect.stringContaining("not in the cert's list"),
    });
  });

  it('is refused also when the environment switches the check off for everything', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    onTestFinished(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    });
    const { endpoint } = await startTlsGateway();
    const { base, source } = await startAccount();
    const kms = createKmsKey({ source: source({ endpoint }), base, clock: systemClock, timeouts });
    expect(await failureOf(kms.getPublicKey())).toMatchObject({ code: 'kms-unreachable' });
  });
});

describe('a key by a gateway of its own', () => {
  it('signs there, and is described by the gateway that manages keys', async () => {
    const { base, source, emulator } = await startAccount();
    const front = await startTlsFront(Number(new URL(emulator.url).port));
    const directory = await mkdtemp(join(tmpdir(), 'autosign-ca-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const caFile = join(directory, 'ca.pem');
    await writeFile(caFile, front.ca);
    const { endpoint } = front;
    const kms = createKmsKey({
      source: source({ endpoint, managementEndpoint: emulator.url, caFile }),
      base,
      clock: systemClock,
      timeouts,
    });
    const message = Buffer.from('what is signed');
    const { signature } = await kms.sign('ECDSA_SHA_256', message);
    expect(await kms.verify('ECDSA_SHA_256', message, signature)).toBe(true);
    expect(await kms.describe()).toMatchObject({ state: 'Enabled' });
    expect(await kms.listVersions()).toEqual([sample.keyVersionId]);
    await rm(caFile);
    // Without the authority's file nothing reaches that gateway any more, and the other one goes on.
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'key-unusable' });
    expect(await kms.listVersions()).toEqual([sample.keyVersionId]);
  });
});
