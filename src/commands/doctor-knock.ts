import { request } from 'undici';
import { z } from 'zod';
import type { DoorAnswer } from '../doctor/check-events.ts';

const timeoutMs = 5_000;
const bodyBytesMax = 4_096;
const ErrorBody = z.object({ error: z.string() });

/** Posts an empty object without credentials, follows nothing, and reads a little of the answer. */
export async function knock(url: URL): Promise<DoorAnswer> {
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: AbortSignal.timeout(2 * timeoutMs),
    });
    return { status: statusCode, error: errorOf(await firstOf(body)) };
  } catch (error) {
    // The client's text may quote the address; its code says enough.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer in time';
    throw new Error(code, { cause: error });
  }
}

async function firstOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= bodyBytesMax) break;
  }
  return Buffer.concat(chunks).toString().slice(0, bodyBytesMax);
}

function errorOf(text: string): string | undefined {
  try {
    return ErrorBody.safeParse(JSON.parse(text)).data?.error;
  } catch {
    return undefined;
  }
}
