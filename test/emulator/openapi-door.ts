import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { authenticate, isRpcSigned } from './authentication.ts';
import { applyFaults, type Faults, RawAnswer, takeFault } from './faults.ts';
import type { Identities } from './identities.ts';
import { OpenApiError } from './openapi-error.ts';
import type { Product } from './product.ts';
import { type OpenApiMessage, readMessage } from './read-message.ts';
import { type RecordedCall, recordableQuery } from './recorded-call.ts';
import { ownParameters } from './rpc-signature.ts';
import { sendJson } from './send-json.ts';
import type { Door } from './serve-request.ts';
import { createThrottle, type Throttle } from './throttle.ts';

/** The version tells the products apart: all share one endpoint here. */
export const apiVersions = { kms: '2016-01-20', sts: '2015-04-01', sas: '2018-12-03', cr: '2018-12-01' } as const;

/** What OpenAPI requests are answered from. */
export interface OpenApiParts {
  /** By version. */
  readonly products: Readonly<Record<string, Product>>;
  readonly identities: Identities;
  readonly faults: Faults;
  readonly calls: RecordedCall[];
}

/** What is remembered from call to call. */
interface Memory {
  readonly seenNonces: Set<string>;
  readonly throttle: Throttle;
}

/** `/`: the product whose version the request names. */
export function openApiDoor(parts: OpenApiParts): Door {
  const memory: Memory = { seenNonces: new Set(), throttle: createThrottle() };
  return {
    takes: () => true,
    async serve(incoming, response) {
      const message = await readMessage(incoming);
      await answer(parts, message, memory, response);
    },
  };
}

async function answer(
  { products, identities, faults, calls }: OpenApiParts,
  message: OpenApiMessage,
  { seenNonces, throttle }: Memory,
  response: ServerResponse,
): Promise<void> {
  const atMs = Date.now();
  const { action, version, parameters } = readCall(message);
  const requestId = randomUUID().toUpperCase();
  const query = recordableQuery(parameters);
  let caller: string | undefined;
  const record = (status: number, code: string | undefined) =>
    calls.push({ action, version, atMs, query, caller, status, code, requestId });
  try {
    if (message.path !== '/') throw new OpenApiError(404, 'InvalidAction.NotFound', 'There is only "/".');
    if (message.method !== 'POST' && message.method !== 'GET')
      throw new OpenApiError(403, 'UnsupportedHTTPMethod', 'Use POST or GET.');
    const product = products[version];
    if (product === undefined) throw new OpenApiError(404, 'InvalidVersion', 'Specified version is not found.');
    const identity = authenticate(message, identities, seenNonces);
    caller = identity.arn;
    const { accountId } = identity;
    await applyFaults(faults, throttle, { action, isKms: version === apiVersions.kms, accountId, atMs });
    const body = await product(action, parameters, identity);
    // ACR refuses some things in an answer of status 200.
    record(200, body['IsSuccess'] === false ? String(body['Code']) : undefined);
    if (takeFault(faults, 'cutNext')) cutAnswer(response);
    else sendJson(response, 200, { RequestId: requestId, ...body });
  } catch (error) {
    const refusal = error instanceof OpenApiError || error instanceof RawAnswer ? error : internalFailure(error);
    record(refusal.status, refusal instanceof OpenApiError ? refusal.code : undefined);
    if (refusal instanceof RawAnswer) {
      response.writeHead(refusal.status, { 'content-type': 'text/html' }).end(refusal.body);
      return;
    }
    const { status, code: Code, message: Message } = refusal;
    const HostId = message.headers['host'] ?? '';
    const Recommend = `https://error-center.aliyun.com/status/search?Keyword=${Code}&source=PopGw`;
    sendJson(response, status, { Code, Message, RequestId: requestId, HostId, Recommend });
  }
}

/** What is called; with the older signature its parameters alone say it, because the headers are not signed. */
function readCall(message: OpenApiMessage) {
  const { headers, parameters } = message;
  if (isRpcSigned(message)) {
    const { Action: action = '', Version: version = '' } = Object.fromEntries(parameters);
    return { action, version, parameters: ownParameters(parameters) };
  }
  return { action: headers['x-acs-action'] ?? '', version: headers['x-acs-version'] ?? '', parameters };
}

/** The client has the head and the first byte of an answer, and gets no more. */
function cutAnswer(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json;charset=utf-8', 'content-length': 1000 });
  response.write('{', () => response.destroy());
}

/** A defect of the emulator must be seen, not taken for a refusal. */
function internalFailure(error: unknown): OpenApiError {
  return new OpenApiError(500, 'InternalFailure', `the emulator itself failed: ${String(error)}`);
}
