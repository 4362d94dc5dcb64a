import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  /** Path and query as sent. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Uint8Array;
}

/** Answers one request, or writes to the response itself and gives undefined. */
export type Script = (received: Received, response: ServerResponse) => Answer | undefined;

export interface ScriptedServer extends AsyncDisposable {
  readonly host: string;
  readonly origin: string;
  readonly received: readonly Received[];
  /** Everything that ever reached this server, as one text to search. */
  transcript(): string;
}

/** A server on a free loopback port that plays one part in a conversation, honest or not. */
export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const seen = { method, path: url, headers, body: Buffer.concat(chunks) };
    received.push(seen);
    const answer = script(seen, response);
    if (answer === undefined) return;
    response.writeHead(answer.status ?? 200, answer.headers);
    response.end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    origin: `http://${host}`,
    received,
    transcript: () =>
      received
        .map(({ method, path, headers, body }) => `${method} ${path}\n${JSON.stringify(headers)}\n${body}`)
        .join('\n'),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
