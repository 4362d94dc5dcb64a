import type { IncomingMessage } from 'node:http';

/** A whole request. */
export interface OpenApiMessage {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Those of the query, then those of a form body. */
  readonly parameters: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Alibaba's gateways take far more; nothing that is emulated needs it. */
const bodyBytesMax = 65_536;

/** Reads a whole request; one that is too large breaks off. */
export async function readMessage(incoming: IncomingMessage): Promise<OpenApiMessage> {
  const body = await readBody(incoming);
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '');
  const parameters = new URLSearchParams([
    ...url.searchParams,
    ...(isForm ? new URLSearchParams(body.toString('utf8')) : []),
  ]);
  return { method: incoming.method ?? '', path: url.pathname, query: url.searchParams, parameters, headers, body };
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > bodyBytesMax) throw new Error('the request is too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
