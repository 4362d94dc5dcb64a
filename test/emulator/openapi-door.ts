import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { authenticate } from './authentication.ts';
import { applyFaults, type Faults, RawAnswer } from './faults.ts';
import type { Identities } from './identities.ts';
import { OpenApiError } from './openapi-error.ts';
import type { Product } from './product.ts';
import { type OpenApiMessage, readMessage } from './read-message.ts';
import { type RecordedCall, recordableQuery } from './recorded-call.ts';
import { sendJson } from './send-json.ts';
import type { Door } from './serve-request.ts';

/** The version tells the products apart: all share one endpoint here. */
export const apiVersions = { kms: '2016-01-20', sts: '2015-04-01', sas: '2018-12-03' } as const;

/** What OpenAPI requests are answered from. */
export interface OpenApiParts {
  /** By version. */
  readonly products: Readonly<Record<string, Product>>;
  readonly identities: Identities;
  readonly faults: Faults;
  readonly calls: RecordedCall[];
}

/** `/`: the product whose version the request names. */
export function openApiDoor(parts: OpenApiParts): Door {
  const seenNonces = new Set<string>();
  return {
    takes: () => true,
    async serve(incoming, response) {
      const message = await readMessage(incoming);
      await answer(parts, message, seenNonces, response);
    },
  };
}

async function answer(
  { products, identities, faults, calls }: OpenApiParts,
  message: OpenApiMessage,
  seenNonces: Set<string>,
  response: ServerResponse,
): Promise<void> {
  const atMs = Date.now();
  const action = message.headers['x-acs-action'] ?? '';
  const version = message.headers['x-acs-version'] ?? '';
  const requestId = randomUUID().toUpperCase();
  const query = recordableQuery(message.query);
  let caller: string | undefined;
  const record = (status: number, code: string | undefined) =>
    calls.push({ action, version, atMs, query, caller, status, code, requestId });
  try {
    if (message.path !== '/') throw new OpenApiError(404, 'InvalidAction.NotFound', 'There is only "/".');
    if (message.method !== 'POST') throw new OpenApiError(403, 'UnsupportedHTTPMethod', 'Use POST.');
    const product = products[version];
    if (product === undefined) throw new OpenApiError(404, 'InvalidVersion', 'Specified version is not found.');
    const identity = authenticate(message, identities, seenNonces);
    caller = identity.arn;
    await applyFaults(faults, action, version === apiVersions.kms);
    const body = await product(action, message.query, identity);
    record(200, undefined);
    sendJson(response, 200, { RequestId: requestId, ...body });
  } catch (error) {
    const refusal = error instanceof OpenApiError || error instanceof RawAnswer ? error : internalFailure(error);
    record(refusal.status, refusal instanceof OpenApiError ? refusal.code : undefined);
    if (refusal instanceof RawAnswer) {
      response.writeHead(refusal.status, { 'content-type': 'text/html' }).end(refusal.body);
      return;
    }
    const { status, code: Code, message: Message } = refusal;
    sendJson(response, status, { Code, Message, RequestId: requestId, HostId: message.headers['host'] ?? '' });
  }
}

/** A defect of the emulator must be seen, not taken for a refusal. */
function internalFailure(error: unknown): OpenApiError {
  return new OpenApiError(500, 'InternalFailure', `the emulator itself failed: ${String(error)}`);
}
