import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticate } from './authentication.ts';
import { applyFaults, type Faults, RawAnswer } from './faults.ts';
import type { Identities } from './identities.ts';
import type { KmsInstance } from './kms-instance.ts';
import { OpenApiError } from './openapi-error.ts';
import { type OpenApiMessage, readMessage } from './read-message.ts';
import { type RecordedCall, recordableQuery } from './recorded-call.ts';
import { answerInstance } from './serve-instance.ts';
import type { Product } from './sts.ts';
import type { TokenService } from './token-service.ts';

/** The version tells the products apart: all share one endpoint here. */
export const apiVersions = { kms: '2016-01-20', sts: '2015-04-01' } as const;

/** What requests are answered from. */
export interface EmulatorParts {
  readonly products: Readonly<Record<string, Product>>;
  readonly identities: Identities;
  readonly tokenService: TokenService;
  readonly instance: KmsInstance;
  readonly faults: Faults;
  readonly calls: RecordedCall[];
  readonly seenNonces: Set<string>;
}

/**
 * Answers one request: `/auth` is the token service, `/` the KMS instance when `x-kms-apiname` is there, else the product
 * that `x-acs-version` names.
 */
export async function serveRequest(
  parts: EmulatorParts,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const message = await readMessage(incoming);
    if (parts.faults.down) {
      incoming.socket.destroy();
      return;
    }
    if (message.path === '/auth') answerToken(parts, message, response);
    else if (message.headers['x-kms-apiname'] !== undefined) await answerInstance(parts, message, response);
    else await answerOpenApi(parts, message, response);
  } catch {
    // A request that breaks off, or is no request, gets no answer.
    incoming.socket.destroy();
  }
}

function answerToken({ tokenService, calls }: EmulatorParts, message: OpenApiMessage, response: ServerResponse): void {
  if (message.method !== 'GET') {
    send(response, 405, { errors: [{ code: 'UNSUPPORTED', message: 'GET only' }] });
    return;
  }
  const { status, body, username } = tokenService.answer(message.query, message.headers['authorization']);
  const query = recordableQuery(message.query);
  calls.push({
    action: 'auth',
    version: undefined,
    query,
    caller: username,
    status,
    code: undefined,
    requestId: undefined,
  });
  send(response, status, body);
}

async function answerOpenApi(parts: EmulatorParts, message: OpenApiMessage, response: ServerResponse): Promise<void> {
  const { products, identities, faults, calls, seenNonces } = parts;
  const action = message.headers['x-acs-action'] ?? '';
  const version = message.headers['x-acs-version'] ?? '';
  const requestId = randomUUID().toUpperCase();
  const query = recordableQuery(message.query);
  let caller: string | undefined;
  const record = (status: number, code: string | undefined) =>
    calls.push({ action, version, query, caller, status, code, requestId });
  try {
    if (message.path !== '/') throw new OpenApiError(404, 'InvalidAction.NotFound', 'There is only "/".');
    if (message.method !== 'POST') throw new OpenApiError(403, 'UnsupportedHTTPMethod', 'Use POST.');
    const product = products[version];
    if (product === undefined) throw new OpenApiError(404, 'InvalidVersion', 'Specified version is not found.');
    const identity = authenticate(message, identities, seenNonces);
    caller = identity.arn;
    await applyFaults(faults, action, version === apiVersions.kms);
    const body = product(action, message.query, identity);
    record(200, undefined);
    send(response, 200, { RequestId: requestId, ...body });
  } catch (error) {
    const refusal = error instanceof OpenApiError || error instanceof RawAnswer ? error : internalFailure(error);
    record(refusal.status, refusal instanceof OpenApiError ? refusal.code : undefined);
    if (refusal instanceof RawAnswer) {
      response.writeHead(refusal.status, { 'content-type': 'text/html' }).end(refusal.body);
      return;
    }
    const { status, code: Code, message: Message } = refusal;
    send(response, status, { Code, Message, RequestId: requestId, HostId: message.headers['host'] ?? '' });
  }
}

/** A defect of the emulator must be seen, not taken for a refusal. */
function internalFailure(error: unknown): OpenApiError {
  return new OpenApiError(500, 'InternalFailure', `the emulator itself failed: ${String(error)}`);
}

function send(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  response.writeHead(status, { 'content-type': 'application/json;charset=utf-8' }).end(JSON.stringify(body));
}
