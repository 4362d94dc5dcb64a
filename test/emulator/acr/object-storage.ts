import { randomBytes } from 'node:crypto';
import { Agent, createServer } from 'node:http';
import { closeServer, forward, listenOnLoopback, relay } from './forward.ts';

/** Plays the object storage that ACR sends those to who get a blob; on a port of its own, so another host to a client. */
export interface ObjectStorage {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** How many blobs were fetched here. */
  readonly served: number;
  /** Paths of the requests that brought an Authorization header along, all of them refused. */
  readonly leaks: readonly string[];
  /** An address that gives the blob, once signed. */
  addressOf(repository: string, digest: string): string;
  close(): Promise<void>;
}

/** @param upstream the real registry, `127.0.0.1:PORT` */
export async function startObjectStorage(upstream: string): Promise<ObjectStorage> {
  const agent = new Agent({ keepAlive: true });
  const signed = new Map<string, string>();
  const leaks: string[] = [];
  let served = 0;
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://localhost');
    if (incoming.headers.authorization !== undefined) {
      leaks.push(url.pathname);
      outgoing.writeHead(400).end('<Error><Code>InvalidArgument</Code></Error>');
      return;
    }
    const path = signed.get(url.searchParams.get('Signature') ?? '');
    if (path === undefined || (incoming.method !== 'GET' && incoming.method !== 'HEAD')) {
      outgoing.writeHead(403).end('<Error><Code>SignatureDoesNotMatch</Code></Error>');
      return;
    }
    served += 1;
    void forward(incoming, { host: upstream, path, agent })
      .then((answer) => relay(answer, outgoing))
      .catch(() => incoming.socket.destroy());
  });
  const host = `127.0.0.1:${await listenOnLoopback(server)}`;
  return {
    host,
    get served() {
      return served;
    },
    leaks,
    addressOf(repository, digest) {
      const signature = randomBytes(18).toString('base64url');
      signed.set(signature, `/v2/${repository}/blobs/${digest}`);
      const hex = digest.replace(/^sha256:/, '');
      return `http://${host}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data?Signature=${signature}`;
    },
    close: async () => {
      await closeServer(server);
      agent.destroy();
    },
  };
}
