import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeServer, listenOnLoopback } from './listen.ts';

/**
 * `pass`: bytes go through. `freeze`: connections are taken and stay open, but nothing moves, as behind a network that
 * swallows packets. `refuse`: every connection, old and new, is dropped at once; the port stays ours.
 */
type TcpMode = 'pass' | 'freeze' | 'refuse';

/** A proxy on a free loopback port in front of one TCP server. */
export interface TcpProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  setMode(mode: TcpMode): void;
  /** How much later each piece of data arrives, in milliseconds, in either direction. */
  setDelay(delayMs: number): void;
  /** Cuts every connection that is open now; new ones are served as the mode says. */
  cutAll(): void;
  stop(): Promise<void>;
}

/** Starts a proxy. @param target `127.0.0.1:PORT` */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let mode: TcpMode = 'pass';
  let delayMs = 0;
  const server = createServer((client) => {
    if (mode === 'refuse') {
      client.destroy();
      return;
    }
    const pair = join(client, target, () => delayMs);
    pairs.add(pair);
    client.once('close', () => pairs.delete(pair));
    if (mode === 'freeze') pair.pause();
  });
  const cutAll = () => {
    for (const pair of pairs) pair.cut();
  };
  const port = await listenOnLoopback(server);
  return {
    host: `127.0.0.1:${port}`,
    setMode(next) {
      mode = next;
      if (mode === 'refuse') cutAll();
      for (const pair of pairs) mode === 'freeze' ? pair.pause() : pair.resume();
    },
    setDelay(next) {
      delayMs = next;
    },
    cutAll,
    stop: async () => {
      const closed = closeServer(server);
      cutAll();
      await closed;
    },
  };
}

interface Pair {
  pause(): void;
  resume(): void;
  cut(): void;
}

function join(client: Socket, target: string, delayMs: () => number): Pair {
  const { hostname, port } = new URL(`tcp://${target}`);
  const upstream = connect({ host: hostname, port: Number(port) });
  const sockets = [client, upstream];
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    let last = Promise.resolve();
    from.on('data', (bytes) => {
      // In a chain, so that pieces keep their order whatever holds them up.
      last = last.then(async () => {
        if (delayMs() > 0) await sleep(delayMs());
        await gate.promise;
        if (!to.destroyed) to.write(bytes);
      });
    });
    from.on('error', cut);
    from.once('close', cut);
  }
  return {
    pause: () => {
      gate = Promise.withResolvers<void>();
    },
    resume: () => gate.resolve(),
    cut,
  };
}
