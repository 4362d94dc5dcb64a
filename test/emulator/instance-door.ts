import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { applyFaults, type Faults, RawAnswer, takeFault } from './faults.ts';
import { encodeRefusal, type KmsInstance } from './kms-instance.ts';
import { OpenApiError } from './openapi-error.ts';
import { type OpenApiMessage, readMessage } from './read-message.ts';
import type { RecordedCall } from './recorded-call.ts';
import type { Door } from './serve-request.ts';

interface InstanceParts {
  readonly instance: KmsInstance;
  readonly faults: Faults;
  readonly calls: RecordedCall[];
}

/** The KMS instance: `x-kms-apiname` tells its calls from those to the OpenAPI. */
export function instanceDoor(parts: InstanceParts): Door {
  return {
    takes: ({ headers }) => headers['x-kms-apiname'] !== undefined,
    async serve(incoming, response) {
      await answer(parts, await readMessage(incoming), response);
    },
  };
}

async function answer(
  { instance, faults, calls }: InstanceParts,
  message: OpenApiMessage,
  response: ServerResponse,
): Promise<void> {
  const atMs = Date.now();
  const requestId = randomUUID();
  const action = message.headers['x-kms-apiname'] ?? '';
  const query = instance.recordable(message);
  let caller: string | undefined;
  const record = (status: number, code: string | undefined) =>
    calls.push({ action, version: message.headers['x-kms-apiversion'], atMs, query, caller, status, code, requestId });
  try {
    if (message.path !== '/' || message.method !== 'POST') {
      throw new OpenApiError(400, 'UnsupportedOperation', 'Rejected.UnsupportedOperation');
    }
    caller = instance.authenticate(message);
    // An instance has no quota of an account; its calls are slowed and refused by the counters alone.
    await applyFaults(faults, () => true, { action, isKms: true, accountId: '', atMs });
    const body = instance.answer(message, requestId);
    record(200, undefined);
    if (takeFault(faults, 'cutNext')) cutAnswer(response, body);
    else send(response, 200, body);
  } catch (error) {
    if (error instanceof RawAnswer) {
      record(error.status, undefined);
      response.writeHead(error.status, { 'content-type': 'text/html' }).end(error.body);
      return;
    }
    const refusal =
      error instanceof OpenApiError
        ? error
        : // A defect of the emulator must be seen, not taken for a refusal.
          new OpenApiError(500, 'InternalFailure', `the emulator itself failed: ${String(error)}`);
    record(refusal.status, refusal.code);
    send(response, refusal.status, encodeRefusal(refusal, requestId));
  }
}

function cutAnswer(response: ServerResponse, body: Uint8Array): void {
  response.writeHead(200, { 'content-type': 'application/x-protobuf', 'content-length': body.length });
  response.write(body.subarray(0, 1), () => response.destroy());
}

function send(response: ServerResponse, status: number, body: Uint8Array): void {
  response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end(body);
}
