import { type Agent, type IncomingMessage, request as openRequest, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Target {
  /** `127.0.0.1:PORT`, plain HTTP */
  readonly host: string;
  readonly path: string;
  readonly agent: Agent;
}

/** Hands a request on as it came, but without its login; the Host stays, so that a `Location` leads back here. */
export function forward(incoming: IncomingMessage, { host, path, agent }: Target): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`http://${host}`);
    const { authorization: _, connection: __, ...headers } = incoming.headers;
    const outgoing = openRequest({ hostname, port, method: incoming.method, path, headers, agent, setHost: false });
    outgoing.once('error', reject);
    outgoing.once('response', resolve);
    incoming.once('error', reject);
    incoming.pipe(outgoing);
  });
}

/** Hands an answer on as it came. */
export function relay(answer: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const { connection: _, 'keep-alive': __, ...headers } = answer.headers;
    outgoing.writeHead(answer.statusCode ?? 502, headers);
    answer.once('error', reject);
    outgoing.once('close', resolve);
    answer.pipe(outgoing);
  });
}

/** Listens on a free port of 127.0.0.1 and gives the port. */
export function listenOnLoopback(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** Takes no new connection and cuts those there are. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
