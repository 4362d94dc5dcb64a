import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { TokenService } from '../token-service.ts';
import type { AcrInstance } from './acr-instance.ts';
import { brokenRule } from './broken-rule.ts';
import { closeServer, forward, listenOnLoopback, relay } from './forward.ts';
import { type ObjectStorage, startObjectStorage } from './object-storage.ts';
import { type RequiredAccess, requiredAccess } from './required-access.ts';
import { checkToken, sendChallenge } from './token-check.ts';
import { createWebhooks, type WebhookDelivery, type Webhooks } from './webhooks.ts';

/** One request to the registry, without its login. */
interface RegistryCall {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
  readonly repository: string | undefined;
  /** The user of the bearer token, when it allowed the request. */
  subject: string | undefined;
  /** What the client was told; undefined while it waits and when the connection was cut. */
  status: number | undefined;
}

/** What goes wrong at the registry; may be set while it runs. Counters count down with each request they spoil. */
interface RegistryFaults {
  /** Every answer comes this much later. */
  latencyMs: number;
  /** That many requests are answered 401, whatever token they bring. */
  unauthorizedNext: number;
  /** That many requests that a token allows are answered so. */
  failNext: { count: number; readonly status: number; readonly method?: string | undefined } | undefined;
  /** That many connections are cut before an answer. */
  cutNext: number;
  /** All of them are. */
  down: boolean;
}

/** The registry of an instance as clients see it: it checks their tokens and hands everything on to a real one. */
export interface RegistryProxy {
  /** `127.0.0.1:PORT`, plain HTTP */
  readonly host: string;
  /** Where its challenges send clients. */
  readonly realm: string;
  /** Every request, oldest first. */
  readonly calls: readonly RegistryCall[];
  readonly faults: RegistryFaults;
  readonly storage: ObjectStorage;
  readonly deliveries: readonly WebhookDelivery[];
  close(): Promise<void>;
}

interface ProxyOptions {
  readonly instance: AcrInstance;
  readonly tokenService: TokenService;
  readonly realm: string;
}

interface ProxyParts extends ProxyOptions {
  readonly agent: Agent;
  readonly faults: RegistryFaults;
  readonly storage: ObjectStorage;
  readonly webhooks: Webhooks;
}

export async function startRegistryProxy(options: ProxyOptions): Promise<RegistryProxy> {
  const { instance, realm } = options;
  const faults = { latencyMs: 0, unauthorizedNext: 0, failNext: undefined, cutNext: 0, down: false };
  const storage = await startObjectStorage(instance.config.upstream);
  const webhooks = createWebhooks(instance);
  const parts = { ...options, agent: new Agent({ keepAlive: true }), faults, storage, webhooks };
  const calls: RegistryCall[] = [];
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://localhost');
    const { method = 'GET' } = incoming;
    const access = requiredAccess(method, url);
    const repository = access?.kind === 'repository' ? access.repository : undefined;
    const call = { method, path: url.pathname, atMs: Date.now(), repository, subject: undefined, status: undefined };
    calls.push(call);
    // A client or a registry that goes away in the middle ends this one request and nothing else.
    void serve(parts, { incoming, outgoing, access, call }).catch(() => incoming.socket.destroy());
  });
  const host = `127.0.0.1:${await listenOnLoopback(server)}`;
  return {
    host,
    realm,
    calls,
    faults,
    storage,
    deliveries: webhooks.deliveries,
    close: async () => {
      await Promise.all([closeServer(server), storage.close(), webhooks.close()]);
      parts.agent.destroy();
    },
  };
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly access: RequiredAccess | undefined;
  readonly call: RegistryCall;
}

async function serve(parts: ProxyParts, exchange: Exchange): Promise<void> {
  const { faults, tokenService, instance, realm } = parts;
  const { incoming, outgoing, access, call } = exchange;
  outgoing.once('finish', () => {
    call.status = outgoing.statusCode;
  });
  if (faults.down || faults.cutNext > 0) {
    faults.cutNext = Math.max(0, faults.cutNext - 1);
    incoming.socket.destroy();
    return;
  }
  if (faults.latencyMs > 0) await delay(faults.latencyMs);
  if (access === undefined) return refuse(exchange, 404, 'NAME_UNKNOWN');
  const { service } = instance;
  const checked = checkToken(incoming, access, tokenService, service);
  if (checked.claims === undefined || faults.unauthorizedNext > 0) {
    if (checked.claims !== undefined) faults.unauthorizedNext -= 1;
    const error = checked.claims === undefined ? checked.error : 'invalid_token';
    incoming.resume();
    return sendChallenge(outgoing, access, { realm, service, error });
  }
  call.subject = checked.claims.sub;
  if (isToFail(faults, call.method)) return refuse(exchange, faults.failNext?.status ?? 500, 'UNKNOWN');
  const rule = await brokenRule(instance, call.method, access);
  if (rule !== undefined) return refuse(exchange, rule.status, rule.code);
  await handOn(parts, exchange, access);
}

async function handOn(parts: ProxyParts, exchange: Exchange, access: RequiredAccess): Promise<void> {
  const { instance, storage, agent, webhooks } = parts;
  const { incoming, outgoing, call } = exchange;
  if (isBlobGet(call, access) && instance.config.redirectBlobs && (await isThere(instance, call.path))) {
    outgoing.writeHead(307, { location: storage.addressOf(access.repository, access.reference) }).end();
    return;
  }
  const answer = await forward(incoming, { host: instance.config.upstream, path: incoming.url ?? '/', agent });
  const digest = answer.headers['docker-content-digest'];
  const tag = pushedTag(call, access, answer.statusCode);
  if (tag !== undefined) instance.notePush(tag.repository, tag.name);
  await relay(answer, outgoing);
  if (tag !== undefined) webhooks.pushed(tag.repository, tag.name, String(digest));
}

type RepositoryAccess = RequiredAccess & { kind: 'repository' };

function isBlobGet({ method }: RegistryCall, access: RequiredAccess): access is RepositoryAccess {
  return (
    method === 'GET' &&
    access.kind === 'repository' &&
    access.part === 'blobs' &&
    access.reference.startsWith('sha256:')
  );
}

async function isThere({ config }: AcrInstance, path: string): Promise<boolean> {
  const answer = await fetch(`http://${config.upstream}${path}`, { method: 'HEAD', redirect: 'manual' });
  return answer.status === 200;
}

/** A push by digest has no tag, and calls no trigger; whether the real ones are called is not documented. */
function pushedTag({ method }: RegistryCall, access: RequiredAccess, status = 0) {
  const isPush = method === 'PUT' && access.kind === 'repository' && access.part === 'manifests' && status < 300;
  if (!isPush || access.reference.includes(':')) return undefined;
  return { repository: access.repository, name: access.reference };
}

function isToFail({ failNext }: RegistryFaults, method: string): boolean {
  if (failNext === undefined || failNext.count <= 0 || (failNext.method ?? method) !== method) return false;
  failNext.count -= 1;
  return true;
}

function refuse({ incoming, outgoing }: Exchange, status: number, code: string): void {
  incoming.resume();
  outgoing.writeHead(status, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify({ errors: [{ code, message: 'refused by the emulated registry' }] }));
}
