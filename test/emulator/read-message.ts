import type { IncomingMessage } from 'node:http';
import type { OpenApiRequest } from './authentication.ts';

export type OpenApiMessage = OpenApiRequest;

/** Alibaba's gateways take far more; nothing that is emulated needs it. */
const bodyBytesMax = 65_536;

/** Reads a whole request; one that is too large breaks off. */
export async function readMessage(incoming: IncomingMessage): Promise<OpenApiMessage> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > bodyBytesMax) throw new Error('the request is too large');
    chunks.push(bytes);
  }
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers,
    body: Buffer.concat(chunks),
  };
}
