import { readMessage } from './read-message.ts';
import { type RecordedCall, recordableQuery } from './recorded-call.ts';
import { sendJson } from './send-json.ts';
import type { Door } from './serve-request.ts';
import type { TokenService } from './token-service.ts';

/** `/auth`, the realm of a registry. */
export function tokenDoor(tokenService: TokenService, calls: RecordedCall[]): Door {
  return {
    takes: ({ url }) => /^\/auth(?:\?|$)/.test(url ?? ''),
    async serve(incoming, response) {
      const atMs = Date.now();
      const { method, query, headers } = await readMessage(incoming);
      if (method !== 'GET') {
        sendJson(response, 405, { errors: [{ code: 'UNSUPPORTED', message: 'GET only' }] });
        return;
      }
      const { status, body, caller } = tokenService.answer(query, headers['authorization']);
      calls.push({
        action: 'auth',
        version: undefined,
        atMs,
        query: recordableQuery(query),
        caller,
        status,
        code: undefined,
        requestId: undefined,
      });
      sendJson(response, status, body);
    },
  };
}
