import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAutosign, startAutosign } from '../../infra/demo/autosign.ts';
import { freePort } from '../../infra/processes/free-port.ts';
import type { RunningProcess } from '../../infra/processes/start-process.ts';
import { acrEventBody, type PushedTag } from '../support/acr-event.ts';
import { signingCertificate, signingKey } from '../support/signing-keys.ts';
import { type GroupQueue, openGroupQueue } from './group-queue.ts';
import { type GroupRegistry, passwordEnvOf, type RulesTextOptions, rulesText } from './rules-text.ts';

// A reconcile looks at every image that a long scenario has pushed.
const commandTimeoutMs = 600_000;

export interface ServiceGroupOptions
  extends Pick<RulesTextOptions, 'registries' | 'rule' | 'moreRules' | 'moreKeys' | 'deny' | 'kms'> {
  /** Redis as the services reach it, perhaps through a proxy; its path may name a database of the group's own. */
  readonly redisUrl: string;
  /** Redis itself, for looking at the queue; absent: `redisUrl`. */
  readonly directRedisUrl?: string;
  /** Further environment of every worker. */
  readonly workerEnvironment?: Readonly<Record<string, string>>;
  /** The entry of the command line that services are started from; absent: the sources. */
  readonly main?: string;
  /** Settings of every process, such as AUTOSIGN_RECONCILE_INTERVAL. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A receiver or a worker in a process of its own. */
export interface Service {
  readonly name: string;
  /** `http://127.0.0.1:PORT` of the receiver, or of the worker's health. */
  readonly url: string;
  readonly process: RunningProcess;
  /** SIGKILL; resolved when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP */
  freeze(): void;
  /** SIGCONT */
  thaw(): void;
  /** SIGTERM; the exit code, null when it had to be killed. */
  stop(deadlineMs?: number): Promise<number | null>;
}

interface WorkerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Hosts by which this worker reaches registries, by their names: a proxy of its own. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Redis as this worker alone reaches it. */
  readonly redisUrl?: string;
}

interface PostedTag extends PushedTag {
  readonly registry: string;
}

export interface ServiceGroup {
  readonly directory: string;
  /** The rules as every process of the group sees them that has no hosts of its own. */
  readonly rulesFile: string;
  /** PEM of the certificate that signs. */
  readonly certificateFile: string;
  readonly queue: GroupQueue;
  startWorker(name: string, options?: WorkerOptions): Promise<Service>;
  /** Starts the one receiver, again under the same port after it has ended. */
  startReceiver(): Promise<Service>;
  /** Where a registry posts its events; holds the token. */
  webhookUrl(registry: string): string;
  /** Posts ACR's webhook body; answers the status, undefined when nobody answered. */
  post(pushed: PostedTag): Promise<number | undefined>;
  /** Runs a command of the product with the group's rules and Redis; its standard output. */
  run(args: readonly string[], expectedExitCodes?: readonly number[]): Promise<string>;
  /** Every line that workers and receivers have logged so far, those that ended included. */
  logLines(): readonly string[];
  /** Stops every service that still runs; others can be started after it. */
  stopServices(): Promise<void>;
  stop(): Promise<void>;
}

const listenTimeoutMs = 60_000;

/** Prepares a group: key, certificate, rules. Nothing runs before `startWorker` and `startReceiver`. */
export async function createServiceGroup(options: ServiceGroupOptions): Promise<ServiceGroup> {
  const directory = await mkdtemp(join(tmpdir(), 'autosign-chaos-'));
  const tokens = new Map(options.registries.map(({ name }) => [name, randomBytes(32).toString('base64url')]));
  const certificateFile = await writeKey(directory);
  const port = await freePort();
  const services: Service[] = [];
  const redisUrl = options.directRedisUrl ?? options.redisUrl;
  const logLines = () => services.flatMap(({ process }) => [...process.stdout, ...process.stderr]);
  const queue = openGroupQueue(redisUrl, () => complaintsIn(logLines()));
  const environment = (rules: string, state: string, over: Readonly<Record<string, string>> = {}) => ({
    AUTOSIGN_RULES: rules,
    AUTOSIGN_REDIS_URL: options.redisUrl,
    AUTOSIGN_STATE_DIR: join(directory, state),
    AUTOSIGN_PORT: String(port),
    AUTOSIGN_ADMIN_PORT: '0',
    ...options.settings,
    ...over,
  });
  const workerEnvironment = { ...passwordsOf(options.registries), ...options.workerEnvironment };

  /** Each set of hosts has a rules file of its own; all else in it is the same. */
  async function rulesFile(name: string, hosts: Readonly<Record<string, string>> = {}): Promise<string> {
    const registries = options.registries.map((registry) => ({
      ...registry,
      host: hosts[registry.name] ?? registry.host,
    }));
    const file = join(directory, `rules-${name}.yaml`);
    const text = rulesText({
      ...options,
      registries,
      tokenSha256Of: (registry) =>
        createHash('sha256')
          .update(tokens.get(registry) ?? '')
          .digest('hex'),
      publicKeySha256: signingKey('EC_P256').publicKeySha256,
    });
    await writeFile(file, text);
    return file;
  }

  async function start(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Service> {
    await mkdir(env['AUTOSIGN_STATE_DIR'] ?? directory, { recursive: true });
    const logFile = join(directory, `${name}.log`);
    const process = await startAutosign({ args, env, directory, logFile, ...(options.main && { main: options.main }) });
    const fits = (line: string) => /"msg":"(receiver listens|worker takes jobs)"/.test(line);
    const line = JSON.parse(await process.waitForLine(fits, listenTimeoutMs));
    const service = serviceOf(name, line.address ?? line.admin, process);
    services.push(service);
    return service;
  }

  const stopServices = async () => {
    // A frozen process hears SIGTERM only after it was woken.
    for (const service of services) service.thaw();
    await Promise.all(services.map((service) => service.stop()));
  };
  const webhookUrl = (registry: string) => `http://127.0.0.1:${port}/webhooks/acr/${registry}/${tokens.get(registry)}`;
  const operatorRules = await rulesFile('operator');
  return {
    directory,
    rulesFile: operatorRules,
    certificateFile,
    queue,
    startWorker: async (name, worker = {}) => {
      const rules = worker.hosts === undefined ? operatorRules : await rulesFile(name, worker.hosts);
      const redis = worker.redisUrl === undefined ? {} : { AUTOSIGN_REDIS_URL: worker.redisUrl };
      return await start(name, ['work'], environment(rules, name, { ...workerEnvironment, ...redis, ...worker.env }));
    },
    startReceiver: () => start('receiver', ['serve'], environment(operatorRules, 'receiver')),
    webhookUrl,
    post: (pushed) => postEvent(webhookUrl(pushed.registry), pushed),
    run: (args, expected) =>
      runAutosign(
        {
          args,
          directory,
          env: environment(operatorRules, 'operator', workerEnvironment),
          timeoutMs: commandTimeoutMs,
        },
        expected,
      ),
    logLines,
    stopServices,
    stop: async () => {
      await stopServices();
      await queue.close();
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

// Warnings and errors of pino; the newest say what a job waits for.
function complaintsIn(lines: readonly string[]): string {
  return lines
    .filter((line) => !/^\{"level":(10|20|30|"trace"|"debug"|"info")/.test(line))
    .slice(-15)
    .join('\n');
}

function serviceOf(name: string, url: string, process: RunningProcess): Service {
  return {
    name,
    url,
    process,
    kill: async () => {
      process.kill('SIGKILL');
      await process.exited;
    },
    freeze: () => process.kill('SIGSTOP'),
    thaw: () => process.kill('SIGCONT'),
    stop: async (deadlineMs) => (await process.stop(deadlineMs)).code,
  };
}

async function writeKey(directory: string): Promise<string> {
  const key = signingKey('EC_P256');
  const certificateFile = join(directory, 'release.crt.pem');
  await writeFile(join(directory, 'release.pem'), key.privateKeyPem, { mode: 0o600 });
  await writeFile(join(directory, 'release.pub.pem'), key.publicKeyPem);
  await writeFile(certificateFile, await signingCertificate(key));
  return certificateFile;
}

function passwordsOf(registries: readonly GroupRegistry[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    registries.flatMap(({ name, login }) => (login === undefined ? [] : [[passwordEnvOf(name), login.password]])),
  );
}

async function postEvent(url: string, pushed: PushedTag): Promise<number | undefined> {
  try {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: acrEventBody(pushed) });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return undefined;
  }
}
