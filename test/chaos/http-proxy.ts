import { Agent, createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, FaultPolicy } from './fault.ts';
import { closeServer, listenOnLoopback } from './listen.ts';
import { digestText } from './sha256.ts';

/** One request that went through, or that a fault ended. */
export interface RecordedRequest {
  readonly index: number;
  readonly method: string;
  readonly path: string;
  /** What the client was told; undefined while it waits and when the connection was cut. */
  status: number | undefined;
  /** `sha256:…` of the target's body, before any fault changed it; undefined when the target was not asked. */
  targetDigest: string | undefined;
  readonly fault: Fault['kind'] | undefined;
}

/** A reverse proxy on a free loopback port in front of one HTTP server. */
export interface HttpProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Every request since the start or the last `forget`, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Decides on the requests that come from now on. Undefined: all pass. */
  setPolicy(policy: FaultPolicy | undefined): void;
  /** Forgets the requests so far and counts from 1 again. */
  forget(): void;
  stop(): Promise<void>;
}

/**
 * Starts a proxy. The Host header stays as the client sent it, so a registry's Location leads back here and the
 * signature over an OpenAPI request stays right.
 * @param target `127.0.0.1:PORT`, plain HTTP
 */
export async function startHttpProxy(target: string): Promise<HttpProxy> {
  const agent = new Agent({ keepAlive: true });
  let requests: RecordedRequest[] = [];
  let policy: FaultPolicy | undefined;
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url: path = '/', headers } = incoming;
    const index = requests.length + 1;
    const record = { index, method, path, status: undefined, targetDigest: undefined, fault: undefined };
    requests.push(record);
    // A client or a target that goes away in the middle ends this one request and nothing else.
    void serve({
      incoming,
      outgoing,
      target,
      agent,
      record,
      decide: async () => policy?.({ ...record, headers }),
    }).catch(() => incoming.socket.destroy());
  });
  const port = await listenOnLoopback(server);
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `http://${host}`,
    get requests() {
      return requests;
    },
    setPolicy(next) {
      policy = next;
    },
    forget() {
      requests = [];
    },
    stop: async () => {
      await closeServer(server);
      agent.destroy();
    },
  };
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly target: string;
  readonly agent: Agent;
  readonly record: { -readonly [Field in keyof RecordedRequest]: RecordedRequest[Field] };
  readonly decide: () => Promise<Fault | undefined>;
}

async function serve(exchange: Exchange): Promise<void> {
  const { incoming, record } = exchange;
  const fault = await exchange.decide();
  record.fault = fault?.kind;
  switch (fault?.kind) {
    case undefined:
      return await send(exchange, await forward(exchange));
    case 'delay': {
      await sleep(fault.beforeRequestMs ?? 0);
      const answer = await forward(exchange);
      await sleep(fault.beforeAnswerMs ?? 0);
      return await send(exchange, answer);
    }
    case 'cut':
      return await cut(exchange, fault);
    case 'answer': {
      if (fault.afterTarget) await forward(exchange);
      else incoming.resume();
      const body = Buffer.from(fault.body ?? '');
      return await send(exchange, { status: fault.status, headers: fault.headers ?? {}, body });
    }
    case 'rewrite': {
      const answer = await forward(exchange);
      const body = Buffer.from(fault.body(answer.body));
      return await send(exchange, { ...answer, headers: { ...answer.headers, 'content-length': undefined }, body });
    }
    case 'answered': {
      const answer = await forward(exchange);
      await fault.call();
      return await send(exchange, answer);
    }
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/** Asks the target, whole: what a registry and an OpenAPI answer is small, and a fault may need all of it. */
function forward({ incoming, target, agent, record }: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`http://${target}`);
    const { method, url: path, headers } = incoming;
    // An array keeps the headers as they came, the Host header among them.
    const outgoing = openRequest({ hostname, port, method, path, headers: { ...headers }, agent, setHost: false });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const body = Buffer.concat(chunks);
        record.targetDigest = digestText(body);
        resolve({ status: response.statusCode ?? 502, headers: response.headers, body });
      });
    });
    incoming.once('error', reject);
    incoming.pipe(outgoing);
  });
}

async function send({ incoming, outgoing, record }: Exchange, answer: Answer): Promise<void> {
  if (outgoing.destroyed) return;
  record.status = answer.status;
  outgoing.writeHead(answer.status, headersOf(answer, incoming.method === 'HEAD'));
  outgoing.end(answer.body);
}

// The body is here whole, so it goes out with its length; what concerned the connection to the target stays there.
function headersOf({ headers, body, status }: Answer, isHead: boolean): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(
    ([name]) => !['transfer-encoding', 'connection', 'keep-alive'].includes(name),
  );
  const bare = isHead || status === 204 || status === 304;
  const all = bare
    ? kept
    : [...kept.filter(([name]) => name !== 'content-length'), ['content-length', String(body.length)]];
  return Object.fromEntries(all.filter(([, value]) => value !== undefined)) as Record<string, string | string[]>;
}

async function cut(exchange: Exchange, fault: Fault & { kind: 'cut' }): Promise<void> {
  const { incoming } = exchange;
  const { socket } = incoming;
  if (fault.at === 'request' && !fault.afterTarget) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = await forward(exchange);
  if (fault.at === 'headers') await write(socket, `HTTP/1.1 ${status} OK\r\nContent-Type: appl`);
  if (fault.at === 'body') {
    const type = String(headers['content-type'] ?? 'application/octet-stream');
    const head = `HTTP/1.1 ${status} OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
    await write(socket, Buffer.concat([Buffer.from(head), body.subarray(0, fault.afterBytes)]));
  }
  socket.destroy();
}

function write(socket: IncomingMessage['socket'], bytes: string | Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}
