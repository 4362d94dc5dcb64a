import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Faults } from './faults.ts';

/** One of the services behind the emulator's port, told apart by what a request's path and headers say. */
export interface Door {
  takes(incoming: IncomingMessage): boolean;
  /** Reads the request and answers it; when it throws, the connection is cut. */
  serve(incoming: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** Has a request answered by the first door that takes it. */
export async function serveRequest(
  doors: readonly Door[],
  faults: Faults,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const door = faults.down ? undefined : doors.find((candidate) => candidate.takes(incoming));
    if (door === undefined) incoming.socket.destroy();
    else await door.serve(incoming, response);
  } catch {
    // A request that breaks off, or is no request, gets no answer.
    incoming.socket.destroy();
  }
}
