import net from 'node:net';
import { createBaseCredentials } from '../../../src/alibaba/base-credentials.ts';

// Run as a process of its own, with ROUTES: { "<address>": <port on 127.0.0.1> }. Two of the sources stand at addresses
// that no test can have (the metadata service at 100.100.100.200, STS under its own name); connections to them are led
// to a port here, as a router would, and TLS still sees the name that was asked for.
const routes: Readonly<Record<string, number>> = JSON.parse(process.env['ROUTES'] ?? '{}');
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (this: net.Socket, ...all: unknown[]) {
  // `net.connect` hands on its arguments as one array, options first.
  const [first] = all;
  const options: { host?: string; port?: number } = Array.isArray(first) ? first[0] : first;
  const port = routes[options.host ?? ''];
  if (port !== undefined) Object.assign(options, { host: '127.0.0.1', port });
  return Reflect.apply(connect, this, all);
};

try {
  console.log(JSON.stringify(await createBaseCredentials().credentials()));
} catch (error) {
  console.log(JSON.stringify({ error: String(error) }));
}
process.exit();
