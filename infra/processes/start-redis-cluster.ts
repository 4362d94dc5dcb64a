import { mkdtempSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeAtExit, removeDirectory } from './die-with-parent.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, startProcess } from './start-process.ts';

/** One server of a cluster. */
interface ClusterNode {
  readonly port: number;
  readonly process: RunningProcess;
}

export interface RunningRedisCluster {
  /** `redis://127.0.0.1:PORT,127.0.0.1:PORT,…`, every node. */
  readonly url: string;
  /** The first three hold a third of the hash slots each, in this order; each of the others follows one of them. */
  readonly nodes: readonly ClusterNode[];
  stop(): Promise<void>;
}

const primaries = 3;
const replicas = 3;
const slots = 16_384;
const startTimeoutMs = 20_000;
const formTimeoutMs = 30_000;
const pollMs = 50;
// A node that is silent for so long has failed; then a replica takes over within a second or so.
const nodeTimeoutMs = 2_000;
// Another program may take a port between its choice and its use.
const attemptsMax = 3;

/** Starts a Redis Cluster of three primaries with a replica each, on free ports of 127.0.0.1, that keeps no data. */
export async function startRedisCluster(): Promise<RunningRedisCluster> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce();
    } catch (error) {
      const taken = error instanceof Error && /address already in use/i.test(error.message);
      if (!taken || attempt >= attemptsMax) throw error;
    }
  }
}

async function startOnce(): Promise<RunningRedisCluster> {
  const directory = mkdtempSync(join(tmpdir(), `autosign-redis-cluster-${process.pid}-`));
  removeAtExit(directory);
  const nodes: (ClusterNode & { readonly busPort: number })[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.process.stop()));
    removeDirectory(directory);
  };
  try {
    for (let index = 0; index < primaries + replicas; index += 1) nodes.push(await startNode(directory));
    await form(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, nodes, stop };
}

async function startNode(directory: string) {
  const [port, busPort] = [await freePort(), await freePort()];
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    'maxmemory-policy': 'noeviction',
    appendonly: 'no',
    save: '',
    daemonize: 'no',
    'cluster-enabled': 'yes',
    'cluster-port': String(busPort),
    'cluster-config-file': `nodes-${port}.conf`,
    'cluster-node-timeout': String(nodeTimeoutMs),
    // A replica stays with its primary, so that a test knows who takes over.
    'cluster-allow-replica-migration': 'no',
    'repl-diskless-sync-delay': '0',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const ready = { line: (line: string) => line.includes('Ready to accept connections') };
  const started = await startProcess({ command: 'redis-server', args, ready, timeoutMs: startTimeoutMs });
  return { port, busPort, process: started };
}

/** What `redis-cli --cluster create` does, which assumes that a node's bus is on its port plus 10,000. */
async function form(nodes: readonly (ClusterNode & { readonly busPort: number })[]): Promise<void> {
  const ports = nodes.map(({ port }) => port);
  for (const [index, { port }] of nodes.entries()) {
    await ask(port, 'CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    if (index >= primaries) continue;
    const [first, next] = [Math.floor((slots * index) / primaries), Math.floor((slots * (index + 1)) / primaries)];
    await ask(port, 'CLUSTER', 'ADDSLOTSRANGE', String(first), String(next - 1));
  }
  const [first = 0, ...others] = ports;
  for (const { port, busPort } of nodes.slice(1)) {
    await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort));
  }
  const knowsAll = (text: string) => text.includes(`cluster_known_nodes:${nodes.length}\r`);
  for (const port of ports) await until(() => ask(port, 'CLUSTER', 'INFO'), knowsAll);
  for (const [index, port] of others.slice(primaries - 1).entries()) {
    const id = await ask(ports[index] ?? 0, 'CLUSTER', 'MYID');
    await ask(port, 'CLUSTER', 'REPLICATE', id);
    await until(
      () => ask(port, 'INFO', 'replication'),
      (text) => text.includes('master_link_status:up'),
    );
  }
  for (const port of ports)
    await until(
      () => ask(port, 'CLUSTER', 'INFO'),
      (text) => text.includes('cluster_state:ok'),
    );
}

async function until(question: () => Promise<string>, fits: (answer: string) => boolean): Promise<void> {
  const giveUpAt = Date.now() + formTimeoutMs;
  for (;;) {
    const answer = await question();
    if (fits(answer)) return;
    if (Date.now() > giveUpAt) throw new Error(`The cluster has not formed within ${formTimeoutMs} ms:\n${answer}`);
    await sleep(pollMs);
  }
}

/** One command by Redis' inline protocol, so that what starts servers needs no client. */
function ask(port: number, ...words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('end', () => {
      // A status (`+OK`), an error (`-ERR …`), or a bulk string (`$40`, then its text); then the farewell's `+OK`.
      const [head = '', ...rest] = text.split('\r\n');
      if (head.startsWith('-')) reject(new Error(`${words.join(' ')}: ${head}`));
      else resolve(head.startsWith('$') ? rest.slice(0, -2).join('\r\n') : head);
    });
    socket.end(`${words.join(' ')}\r\nQUIT\r\n`);
  });
}
