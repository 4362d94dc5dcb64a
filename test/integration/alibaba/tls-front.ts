import { generateKeyPairSync } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { onTestFinished } from 'vitest';
import { authorityExtensions, issueWithOpenssl } from '../../support/certificate-chains.ts';

/**
 * TLS in front of a loopback port, with a certificate for 127.0.0.1 of an authority made for it alone, as a KMS
 * instance has one; closed when the test ends.
 */
export async function startTlsFront(port: number) {
  const authority = issueWithOpenssl({ name: 'ca', privateKeyPem: newKey(), extensions: authorityExtensions });
  const extensions = ['subjectAltName=IP:127.0.0.1', 'extendedKeyUsage=serverAuth'];
  const { pem, privateKeyPem } = issueWithOpenssl({
    name: 'gateway',
    privateKeyPem: newKey(),
    issuer: authority,
    extensions,
  });
  const open = new Set<Socket>();
  const server = createServer({ cert: pem, key: privateKeyPem }, (socket) => {
    open.add(socket);
    const behind = connect(port, '127.0.0.1');
    for (const end of [socket, behind]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        open.delete(socket);
        socket.destroy();
        behind.destroy();
      });
    }
    socket.pipe(behind).pipe(socket);
  });
  // A client that does not trust it ends the handshake.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  return { endpoint: `127.0.0.1:${address.port}`, ca: authority.pem };
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
