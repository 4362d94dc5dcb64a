import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server that is closed until it is opened: who comes before waits, unanswered. */
export interface Gate {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Resolved when that many connections have come, ever. */
  untilArrived(count: number): Promise<void>;
  open(): void;
  close(): Promise<void>;
}

/** Starts a closed gate before `target`, which is `127.0.0.1:PORT`. */
export async function startGate(target: string): Promise<Gate> {
  const opened = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  };
  let arrived = 0;
  const server = createServer(async (client) => {
    keep(client);
    arrived += 1;
    server.emit('arrived');
    await opened.promise;
    const [hostname, port] = target.split(':');
    const upstream = connect({ host: hostname, port: Number(port) });
    keep(upstream);
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    untilArrived: async (count) => {
      while (arrived < count) await once(server, 'arrived');
    },
    open: () => opened.resolve(),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
