import { constants, createPublicKey, randomBytes, verify } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeMessage, instanceMessages } from '../../../src/alibaba/kms-instance-messages.ts';
import { sample } from '../../emulator/sample-config.ts';
import { allTextOf, failureOf } from './account.ts';
import { startInstance, withOtherPrivateKey } from './instance.ts';
import { startTlsFront } from './tls-front.ts';

const message = randomBytes(100);
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

describe('a key of a KMS instance', () => {
  it.each([
    ['RSA_2048', 'RSA_PSS_SHA_256', pss],
    ['RSA_2048', 'RSA_PKCS1_SHA_256', {}],
    ['RSA_3072', 'RSA_PKCS1_SHA_256', {}],
    ['EC_P256', 'ECDSA_SHA_256', {}],
  ] as const)(
    'of spec %s signs with %s what OpenSSL verifies with its public key',
    async (spec, algorithm, options) => {
      const { instanceKey, emulator, made } = await startInstance();
      const key = instanceKey({ keyId: sample.keys[spec] });
      const { signature, requestId } = await key.sign(algorithm, message);
      const publicKey = createPublicKey(await key.getPublicKey());
      expect(verify('sha256', message, { key: publicKey, ...options }, signature)).toBe(true);
      expect(requestId).toBe(emulator.calls[0]?.requestId);
      expect(emulator.calls[0]).toMatchObject({
        action: 'Sign',
        caller: made.id,
        query: { KeyId: sample.keys[spec], Algorithm: algorithm, MessageType: 'DIGEST' },
      });
    },
  );

  it('verifies by the instance: its own signature, and no other', async () => {
    const key = (await startInstance()).instanceKey();
    const { signature } = await key.sign('ECDSA_SHA_256', message);
    expect(await key.verify('ECDSA_SHA_256', message, signature)).toBe(true);
    expect(await key.verify('ECDSA_SHA_256', randomBytes(10), signature)).toBe(false);
    expect(await key.verify('ECDSA_SHA_256', message, randomBytes(70))).toBe(false);
  });

  it('tells of each call how it ended', async () => {
    const calls: unknown[] = [];
    const { instanceKey, emulator } = await startInstance();
    const key = instanceKey({ onCall: (call) => calls.push(call) });
    await key.sign('ECDSA_SHA_256', message);
    emulator.faults.throttleNext = 1;
    await failureOf(key.sign('ECDSA_SHA_256', message));
    emulator.faults.down = true;
    await failureOf(key.getPublicKey());
    expect(calls).toEqual([
      { action: 'Sign', outcome: 'ok' },
      { action: 'Sign', outcome: 'throttled' },
      { action: 'GetPublicKey', outcome: 'failed' },
    ]);
  });

  it('does not ask with a ClientKey that is over', async () => {
    const { instanceKey, emulator, clientKey } = await startInstance();
    const at = new Date((clientKey.notAfter?.getTime() ?? 0) + 1);
    const failure = await failureOf(instanceKey({ clock: { now: () => at } }).sign('ECDSA_SHA_256', message));
    expect(failure).toMatchObject({ code: 'key-unusable', message: expect.stringContaining('ended on') });
    expect(emulator.calls).toEqual([]);
  });
});

describe('what a KMS instance refuses', () => {
  const skewed = (minutes: number) => ({ now: () => new Date(Date.now() + minutes * 60_000) });

  it.each([
    ['a wrong private key', 'credentials-missing', 'SignatureNotMatch', 'not a pair'],
    ['an unknown ClientKey', 'credentials-missing', 'Unauthorized', 'clientKeyFile'],
    ['a clock that is fast', 'kms-unreachable', 'RequestTimeTooSkewed', "This machine's clock"],
    ['a clock that is slow', 'kms-unreachable', 'RequestTimeTooSkewed', "This machine's clock"],
    ['an unknown key', 'key-unusable', 'Forbidden.KeyNotFound', 'keyId and endpoint'],
    ['a disabled key', 'key-unusable', 'Rejected.Disabled', 'Enable the key'],
    ['an algorithm that is not the key’s', 'key-unusable', 'InvalidParameter', "rule's algorithm"],
    ['too many calls', 'kms-throttled', 'Rejected.Throttling', 'performance'],
    ['an instance that is down', 'kms-unreachable', 'ServiceUnavailableTemporary', 'tried again'],
    ['a missing permission', 'key-unusable', 'Forbidden.NoPermission', 'application access point'],
    ['throttling by another name', 'kms-throttled', 'Brand.New', 'more slowly'],
    ['what nobody documented', 'key-unusable', 'Brand.New', 'as documented'],
  ] as const)('%s: %s by %s, with advice', async (name, code, alibabaCode, advice) => {
    const { instanceKey, emulator, clientKey } = await startInstance();
    const fail = (status: number) => {
      emulator.faults.failNext = { count: 1, status, code: alibabaCode };
      return {};
    };
    const options = {
      'a wrong private key': () => ({ clientKey: withOtherPrivateKey(clientKey) }),
      'an unknown ClientKey': () => ({ clientKey: { ...clientKey, id: 'KAAP.unknown' } }),
      'a clock that is fast': () => ({ clock: skewed(16) }),
      'a clock that is slow': () => ({ clock: skewed(-16) }),
      'an unknown key': () => ({ keyId: 'key-nobody-has' }),
      'a disabled key': () => {
        emulator.setKeyState(sample.keys.EC_P256, 'Disabled');
        return {};
      },
      'an algorithm that is not the key’s': () => ({ keyId: sample.keys.RSA_2048 }),
      'too many calls': () => {
        emulator.faults.throttleNext = 1;
        return {};
      },
      'an instance that is down': () => fail(503),
      'a missing permission': () => fail(403),
      'throttling by another name': () => fail(429),
      'what nobody documented': () => fail(418),
    }[name]();
    const failure = await failureOf(instanceKey({ ...options, region: 'cn-hangzhou' }).sign('ECDSA_SHA_256', message));
    expect(failure).toMatchObject({ code, requestId: emulator.calls[0]?.requestId });
    for (const part of [alibabaCode, advice, `Sign at ${emulator.host} in cn-hangzhou`]) {
      expect(failure.message).toContain(part);
    }
  });

  it('tells nothing secret: no signature, no private key, no text of the ClientKey’s file', async () => {
    const { instanceKey, emulator, clientKey, made } = await startInstance();
    const failures = [await failureOf(instanceKey({ clientKey: withOtherPrivateKey(clientKey) }).getPublicKey())];
    emulator.faults.down = true;
    failures.push(await failureOf(instanceKey().getPublicKey()));
    const text = failures.map(allTextOf).join('\n');
    const pkcs12 = JSON.parse(made.fileText).PrivateKeyData;
    for (const secret of ['Bearer', 'BEGIN', made.password, pkcs12.slice(0, 40)]) expect(text).not.toContain(secret);
  });
});

/** Answers everything as it is told to. */
async function startStrangeServer(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('what is no answer of a KMS instance', () => {
  const golden = '08ad03121352656a65637465642e5468726f74746c696e671a035150532203726964';

  it.each([
    ['a gateway’s page', 502, '<html>bad gateway</html>', 'kms-unreachable', 'HTTP status 502'],
    ['a redirect', 302, '', 'kms-unreachable', 'HTTP status 302'],
    ['a success that is no message', 200, '<html>hello</html>', 'kms-unreachable', 'not as documented'],
    ['a success without a signature', 200, '', 'kms-unreachable', 'not as documented'],
    ['an answer without end', 200, '\n'.repeat(100_000), 'kms-unreachable', 'UND_ERR_RES_EXCEEDED_MAX_SIZE'],
    ['an error without a code', 400, '\x08\x01', 'kms-unreachable', 'HTTP status 400'],
  ])('%s', async (_, status, body, code, text) => {
    const endpoint = await startStrangeServer((_request, response) => void response.writeHead(status).end(body));
    const failure = await failureOf((await startInstance()).instanceKey({ endpoint }).sign('ECDSA_SHA_256', message));
    expect(failure).toMatchObject({ code, message: expect.stringContaining(text) });
  });

  it.each([400, 429, 500, 503])('the recorded error body counts whatever its status: %i', async (status) => {
    const body = Buffer.from(golden, 'hex');
    const endpoint = await startStrangeServer((_request, response) => void response.writeHead(status).end(body));
    const failure = await failureOf((await startInstance()).instanceKey({ endpoint }).getPublicKey());
    expect(failure).toMatchObject({ code: 'kms-throttled', requestId: 'rid' });
    expect(failure.message).toContain(`Rejected.Throttling, HTTP ${status}, RequestId rid (QPS)`);
  });

  it.each([
    ['no answer', () => undefined],
    [
      'drops',
      (response: Parameters<RequestListener>[1]) => {
        const timer = setInterval(() => response.write('\n'), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
  ] as const)('%s: given up in time', async (_, answer) => {
    const endpoint = await startStrangeServer((_request, response) => void answer(response));
    const { instanceKey } = await startInstance();
    const key = instanceKey({ endpoint, timeouts: { connectTimeoutMs: 200, readTimeoutMs: 200 } });
    expect(await failureOf(key.sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'kms-unreachable' });
  });

  it('an answer that ends in its middle', async () => {
    const { instanceKey, emulator } = await startInstance();
    emulator.faults.cutNext = 1;
    expect(await failureOf(instanceKey().sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'kms-unreachable' });
    await instanceKey().sign('ECDSA_SHA_256', message);
  });

  it('an answer that quotes the request is cut', async () => {
    const long = Buffer.concat([Buffer.from('120141', 'hex'), Buffer.from('1ae807', 'hex'), Buffer.alloc(1000, 'x')]);
    expect(decodeMessage(instanceMessages.Error, long).ErrorMessage).toHaveLength(1000);
    const endpoint = await startStrangeServer((_request, response) => void response.writeHead(400).end(long));
    const failure = await failureOf((await startInstance()).instanceKey({ endpoint }).getPublicKey());
    expect(failure.message.length).toBeLessThan(700);
  });
});

describe('the certificate of a KMS instance', () => {
  const portOf = (host: string) => Number(host.split(':')[1]);

  it('is taken with the authority of the instance', async () => {
    const { instanceKey, emulator } = await startInstance();
    const { endpoint, ca } = await startTlsFront(portOf(emulator.host));
    const key = instanceKey({ endpoint, ca });
    const { signature } = await key.sign('ECDSA_SHA_256', message);
    expect(verify('sha256', message, await key.getPublicKey(), signature)).toBe(true);
  });

  it.each([
    ['without one', 'name it in caFile'],
    ['with another one', 'get the right one'],
  ])('is refused %s, and nothing is sent', async (which, advice) => {
    const { instanceKey, emulator } = await startInstance();
    const front = await startTlsFront(portOf(emulator.host));
    const ca = which === 'without one' ? undefined : (await startTlsFront(portOf(emulator.host))).ca;
    const failure = await failureOf(instanceKey({ endpoint: front.endpoint, ca }).sign('ECDSA_SHA_256', message));
    expect(failure).toMatchObject({ code: 'kms-unreachable', message: expect.stringContaining(advice) });
    expect(emulator.calls).toEqual([]);
  });
});
