import { createServer } from 'node:net';

/**
 * A TCP port on 127.0.0.1 that nobody listens on now. Another program may take it before you do: a starter that
 * uses it tries again with a new one (see `startOnFreePort`). Prefer port 0 where the program can tell which it got.
 */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

// Three strangers in a row on three random ports is no race any more but something worth seeing.
const portAttemptsMax = 3;

/** Calls `start` with a free port, and again with another one when the port was taken in between. */
export async function startOnFreePort<Result>(start: (port: number) => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      const taken = error instanceof Error && /address already in use/i.test(error.message);
      if (!taken || attempt >= portAttemptsMax) throw error;
    }
  }
}
