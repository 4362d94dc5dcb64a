import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDockerRegistry } from '../processes/start-docker-registry.ts';
import type { RunningProcess } from '../processes/start-process.ts';
import { startRedis } from '../processes/start-redis.ts';
import { type AutosignRun, runAutosign, startAutosign } from './autosign.ts';
import { account, type EmulatedCloud, startEmulatedCloud } from './cloud.ts';

export interface StackOptions {
  /** Holds rules, certificates, logs and state; created when it is not there, left in place. */
  readonly directory: string;
  readonly keySpec: keyof typeof account.keys;
  /** `127.0.0.1:PORT` of a registry that is there already and asks for no login; absent: one of our own, with login. */
  readonly registryHost?: string;
  /** Further settings of the worker. */
  readonly workEnvironment?: Readonly<Record<string, string>>;
  /** Called with what was done, and how long that took in milliseconds. */
  readonly onStep?: (what: string, durationMs: number) => void;
}

/** The whole service on this machine: Redis, registry, emulated cloud, receiver and worker, each a process. */
export interface Stack {
  readonly registryHost: string;
  readonly registryDirectory: string;
  readonly redisUrl: string;
  readonly receiverUrl: string;
  readonly adminUrl: string;
  /** Where ACR would post its events; holds the token. */
  readonly webhookUrl: string;
  readonly rulesFile: string;
  readonly certificateFile: string;
  /** Environment in which commands of the product find the rules and may log in to the registry. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cloud: EmulatedCloud;
  readonly processes: { readonly serve: RunningProcess; readonly work: RunningProcess };
  /** Value of the Authorization header that may pull from and push to `repository`; undefined without login. */
  authorizationFor(repository: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

const listenTimeoutMs = 60_000;
const readyTimeoutMs = 30_000;

/** Starts everything; stops what it started when a later part fails. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const started: { stop(): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const part of started.toReversed()) await part.stop();
    started.length = 0;
  };
  async function step<T extends { stop(): Promise<unknown> }>(what: string, start: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const part = await start();
    started.push(part);
    options.onStep?.(what, performance.now() - begun);
    return part;
  }
  try {
    return { ...(await startParts(options, step)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Step = <T extends { stop(): Promise<unknown> }>(what: string, start: () => Promise<T>) => Promise<T>;

async function startParts(options: StackOptions, step: Step): Promise<Omit<Stack, 'stop'>> {
  const { directory } = options;
  const registryDirectory = join(directory, 'registry');
  await mkdir(registryDirectory, { recursive: true });
  await mkdir(join(directory, 'redis'), { recursive: true });
  const redis = await step('Redis with an append-only file is up', () =>
    startRedis({ appendOnly: true, directory: join(directory, 'redis') }),
  );
  const cloud = await step('emulator of STS, KMS and the token service is up', startEmulatedCloud);
  const registryHost =
    options.registryHost ??
    (
      await step('registry with token login is up', () =>
        startDockerRegistry({ directory: registryDirectory, tokenAuth: cloud.tokenService }),
      )
    ).host;
  const rulesFile = join(directory, 'rules.yaml');
  const environment = {
    AUTOSIGN_RULES: rulesFile,
    AUTOSIGN_REDIS_URL: redis.url,
    AUTOSIGN_PORT: '0',
    AUTOSIGN_ADMIN_PORT: '0',
    REGISTRY_PASSWORD: cloud.robot.password,
  };
  const login = options.registryHost === undefined;
  const { path, certificateFile } = await step(
    'rules are written, with a webhook token and a certificate that KMS signed (autosign token new, cert issue)',
    async () => {
      const rules = await writeRules({ ...options, registryHost, rulesFile, environment, cloud, login });
      return { ...rules, stop: async () => undefined };
    },
  );
  const serve = await step('receiver (autosign serve) is up', () =>
    startService('"receiver listens"', 'address', {
      args: ['serve'],
      // The receiver gets neither the cloud's nor the registry's credentials.
      env: { ...environment, REGISTRY_PASSWORD: '', AUTOSIGN_STATE_DIR: join(directory, 'serve') },
      logFile: join(directory, 'serve.log'),
    }),
  );
  const work = await step('worker (autosign work) is up, its key and its baseline are ready', async () => {
    const service = await startService('"worker takes jobs"', 'admin', {
      args: ['work'],
      env: {
        ...environment,
        ...cloud.workerEnvironment,
        AUTOSIGN_STATE_DIR: join(directory, 'work'),
        ...options.workEnvironment,
      },
      logFile: join(directory, 'work.log'),
    });
    await untilReady(service.url);
    return service;
  });
  return {
    registryHost,
    registryDirectory,
    redisUrl: redis.url,
    receiverUrl: serve.url,
    adminUrl: work.url,
    webhookUrl: `${serve.url}${path}`,
    rulesFile,
    certificateFile,
    environment,
    cloud,
    processes: { serve: serve.process, work: work.process },
    authorizationFor: (repository) => (login ? bearerFor(cloud, repository) : Promise.resolve(undefined)),
  };
}

interface RulesOptions extends StackOptions {
  readonly registryHost: string;
  readonly rulesFile: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly cloud: EmulatedCloud;
  readonly login: boolean;
}

/** Writes the rules as a user would: key first, then its certificate by `autosign cert issue`, then the three lines. */
async function writeRules(options: RulesOptions): Promise<{ readonly path: string; readonly certificateFile: string }> {
  const { rulesFile, environment, cloud, directory } = options;
  const env = { ...environment, ...cloud.workerEnvironment };
  const token = JSON.parse(await runAutosign({ args: ['token', 'new', 'demo', '--json'], env }));
  await writeFile(rulesFile, rulesText(options, token.tokenSha256, ''));
  const subject = ['--country', 'CN', '--state', 'Zhejiang', '--organization', 'Demo'];
  const issued = JSON.parse(await runAutosign({ args: ['cert', 'issue', 'release', ...subject, '--json'], env }));
  const lines = (['publicKeyFile', 'publicKeySha256', 'certificateChain'] as const)
    .map((field) => `    ${field}: ${JSON.stringify(issued[field])}\n`)
    .join('');
  await writeFile(rulesFile, rulesText(options, token.tokenSha256, lines));
  return { path: token.path, certificateFile: join(directory, issued.certificateChain) };
}

function rulesText(
  { registryHost, cloud, keySpec, login }: RulesOptions,
  tokenSha256: string,
  keyLines: string,
): string {
  const loginLines = login
    ? `    login: { username: ${cloud.robot.username}, passwordEnv: REGISTRY_PASSWORD }
    realms: ["${cloud.tokenService.realm}"]
`
    : '';
  return `version: 1
registries:
  - name: demo
    host: "${registryHost}"
    plainHttp: true
${loginLines}    webhook: { tokenSha256: ["${tokenSha256}"] }
keys:
  - name: release
    spec: ${keySpec}
    kms:
      region: ${account.region}
      keyId: ${account.keys[keySpec]}
      keyVersionId: ${account.keyVersionId}
      roleArn: "${account.roleArn}"
      endpoint: "${cloud.url}"
      stsEndpoint: "${cloud.url}"
${keyLines}rules:
  - name: prod-images
    registries: [demo]
    namespaces: { include: [prod] }
    tags: { exclude: ["*-rc*"] }
    mode: default
    key: release
    algorithm: ${keySpec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PSS_SHA_256'}
`;
}

interface Service {
  /** Where it listens. */
  readonly url: string;
  readonly process: RunningProcess;
  stop(): Promise<unknown>;
}

/** Starts a service and waits for the log line that holds `message` and, under `field`, its address. */
async function startService(message: string, field: string, run: AutosignRun): Promise<Service> {
  const process = await startAutosign(run);
  const line = await process.waitForLine((text) => text.includes(message), listenTimeoutMs);
  return { url: JSON.parse(line)[field], process, stop: () => process.stop() };
}

interface WorkerState {
  readonly ready: boolean;
  readonly preparing: readonly unknown[];
  readonly keys: readonly { readonly state: string }[];
}

/** Waits until the worker's key is ready and the walk over what stood before the rule is done. */
async function untilReady(adminUrl: string): Promise<void> {
  const giveUpAt = Date.now() + readyTimeoutMs;
  for (;;) {
    const state = (await (await fetch(`${adminUrl}/readyz`)).json()) as WorkerState;
    if (state.ready && state.preparing.length === 0 && state.keys.every((key) => key.state === 'ready')) return;
    if (Date.now() > giveUpAt) throw new Error(`the worker did not become ready: ${JSON.stringify(state)}`);
    await sleep(50);
  }
}

async function bearerFor({ tokenService, robot }: EmulatedCloud, repository: string): Promise<string> {
  const url = new URL(tokenService.realm);
  url.searchParams.set('service', tokenService.service);
  url.searchParams.set('scope', `repository:${repository}:pull,push`);
  const basic = Buffer.from(`${robot.username}:${robot.password}`).toString('base64');
  const answer = await fetch(url, { headers: { authorization: `Basic ${basic}` } });
  const { token } = (await answer.json()) as { readonly token: string };
  return `Bearer ${token}`;
}
