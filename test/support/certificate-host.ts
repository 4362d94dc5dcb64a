import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { Agent, buildConnector } from 'undici';

/** A TLS server on loopback that stands for a host of certificates, and the way to it. */
export interface CertificateHost {
  /** Leads every connection, whatever host it is for, to this server, and trusts the server's certificate. */
  readonly agent: Agent;
  /** Trusts what the system trusts, so not this server. */
  readonly strictAgent: Agent;
  /** `HOST PATH` of every request, oldest first. */
  readonly requests: readonly string[];
  /** Hosts that a connection was opened to, oldest first. */
  readonly connections: readonly string[];
  /** What the next requests are answered by. */
  answer: RequestListener;
  close(): Promise<void>;
}

/** @param host the name in the server's TLS certificate */
export async function startCertificateHost(host: string, answer: RequestListener): Promise<CertificateHost> {
  const tls = await tlsCertificate(host);
  const requests: string[] = [];
  const connections: string[] = [];
  const server = createServer(tls, (request, response) => {
    requests.push(`${request.headers.host} ${request.url}`);
    opened.answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function agentFor(trust: { readonly ca?: string }): Agent {
    const connect = buildConnector({ ...trust, rejectUnauthorized: true });
    return new Agent({
      allowH2: false,
      connect: (options, callback) => {
        connections.push(options.hostname);
        connect({ ...options, hostname: '127.0.0.1', port: String(port), servername: options.hostname }, callback);
      },
    });
  }

  const opened: CertificateHost = {
    agent: agentFor({ ca: tls.cert }),
    strictAgent: agentFor({}),
    requests,
    connections,
    answer,
    close: async () => {
      await Promise.all([opened.agent.destroy(), opened.strictAgent.destroy()]);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return opened;
}

async function tlsCertificate(host: string): Promise<{ key: string; cert: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=certificates',
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: host }])],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    cert: certificate.toString('pem'),
  };
}
