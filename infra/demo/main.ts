import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type PushedImage, pushImage } from '../images/push-image.ts';
import { ensureRequirements } from '../requirements/ensure-requirements.ts';
import { runAutosign } from './autosign.ts';
import { type Stack, startStack } from './stack.ts';
import { waitForSignature } from './wait-for-signature.ts';

const help = `The main job on this machine: an image is pushed, its event received, its digest signed by a KMS key through the
assumed role, the signature pushed back and verified. Everything runs on loopback in processes of its own; Alibaba
Cloud's STS and KMS are emulated, with real keys.

  npm run demo [-- OPTIONS]

  --key RSA_2048 | EC_P256   the kind of key (default EC_P256)
  --keep                     keeps everything running, prints the addresses, stops on Ctrl-C
  --no-install               never installs redis-server and docker-registry, says what is missing instead
  --help                     this text`;

const repository = 'prod/app';
const tag = 'v1';
const operatorName = 'demo';
const signTimeoutMs = 30_000;
// As a shell says it of a command that Ctrl-C ended.
const exitInterrupted = 130;
// What an error shows of the worker's log.
const logTail = 10;

const options = readOptions();
if (options?.help) console.log(help);
else if (options !== undefined) await run(options.key, options.keep, !options['no-install']);

/** Undefined, with the reason printed, when the command line is wrong. */
function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        key: { type: 'string', default: 'EC_P256' },
        keep: { type: 'boolean', default: false },
        'no-install': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { key } = values;
    if (key === 'EC_P256' || key === 'RSA_2048') return { ...values, key } as const;
    fail(`--key ${key}: RSA_2048 or EC_P256 is expected; see --help.`, 2);
  } catch (error) {
    fail(`${error instanceof Error ? error.message : error}; see --help.`, 2);
  }
  return undefined;
}

async function run(keySpec: 'EC_P256' | 'RSA_2048', keep: boolean, install: boolean): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'autosign-demo-'));
  const interrupted = untilInterrupted();
  let stack: Stack | undefined;
  try {
    await ensureRequirements({ needed: ['redis-server', 'docker-registry'], install, log: (line) => say(line) });
    const operator = keep ? await makeOperator(directory) : undefined;
    const more = operator && { workEnvironment: { AUTOSIGN_OPS_USERS_FILE: operator.usersFile } };
    stack = await startStack({ directory, keySpec, onStep: say, ...more });
    const shown = await Promise.race([showMainJob(stack), interrupted]);
    if (!shown) fail('interrupted', exitInterrupted);
    else if (operator !== undefined) {
      showAddresses(stack, directory, operator);
      await interrupted;
    }
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error), 1);
    for (const line of stack?.processes.work.stdout.slice(-logTail) ?? []) console.error(`work: ${line}`);
  } finally {
    await stack?.stop();
    await rm(directory, { recursive: true, force: true });
    say('everything is stopped');
  }
}

/** True when all of it was shown. */
async function showMainJob(stack: Stack): Promise<boolean> {
  const { registryHost } = stack;
  const authorization = await stack.authorizationFor(repository);
  const target = { host: registryHost, repository, ...(authorization !== undefined && { authorization }) };
  const image = await timed(`image ${registryHost}/${repository}:${tag} is built and pushed`, () =>
    pushImage({ ...target, tag, kind: 'oci-manifest' }),
  );
  console.log(`             digest ${image.digest}`);
  await timed("ACR's push event is posted and queued", () => postEvent(stack, image));
  const signature = await timed('the signature is in the registry', () =>
    waitForSignature({ ...target, subject: image.digest, timeoutMs: signTimeoutMs }),
  );
  console.log(`\nThe signature's manifest, ${signature.digest}:\n${signature.manifest}\n`);
  const reference = `${registryHost}/${repository}:${tag}`;
  const report = await timed(`autosign verify ${reference}`, () =>
    runAutosign({ args: ['verify', reference], env: stack.environment }),
  );
  console.log(`\n${report}\n`);
  return true;
}

/** The body that ACR documents for its triggers. */
async function postEvent({ webhookUrl }: Stack, image: PushedImage): Promise<void> {
  const [namespace, name] = repository.split('/');
  const body = {
    push_data: { digest: image.digest, pushed_at: '2026-01-01 08:00:00', tag },
    repository: { name, namespace, region: 'cn-hangzhou', repo_full_name: repository, repo_type: 'PRIVATE' },
  };
  const answer = await fetch(webhookUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (answer.status !== 202 || !text.includes('"queued":true'))
    throw new Error(`the receiver answered ${answer.status}: ${text}`);
}

interface Operator {
  readonly usersFile: string;
  readonly password: string;
}

/** Somebody who may log in to the operators' page. */
async function makeOperator(directory: string): Promise<Operator> {
  const usersFile = join(directory, 'ops-users.txt');
  const args = ['ops', 'user', operatorName, '--role', 'operator', '--json'];
  const { password, line } = JSON.parse(await runAutosign({ args, env: {} }));
  await writeFile(usersFile, `${line}\n`);
  return { usersFile, password };
}

function showAddresses(stack: Stack, directory: string, { password }: Operator): void {
  console.log(`Running until Ctrl-C.
  operators   ${stack.adminUrl}/ops (user ${operatorName}, password ${password})
  registry    http://${stack.registryHost} (user ${stack.cloud.robot.username}, password ${stack.cloud.robot.password})
  webhook     ${stack.webhookUrl}
  health      ${stack.receiverUrl}/readyz and ${stack.adminUrl}/readyz
  Redis       ${stack.redisUrl}
  rules       ${stack.rulesFile}
  certificate ${stack.certificateFile}
  logs        ${join(directory, 'serve.log')} and ${join(directory, 'work.log')}
  audit       ${join(directory, 'work', 'audit.jsonl')}`);
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work();
  say(what, performance.now() - begun);
  return result;
}

function say(what: string, durationMs?: number): void {
  console.log(`${durationMs === undefined ? ' '.repeat(10) : `${durationMs.toFixed(0).padStart(7)} ms`}  ${what}`);
}

function fail(message: string, code: number): void {
  console.error(`demo: ${message}`);
  process.exitCode = code;
}

/** Resolved, with false, at Ctrl-C or SIGTERM; the processes are stopped in order then. */
function untilInterrupted(): Promise<false> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(false));
  });
}
