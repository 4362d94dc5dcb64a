import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startAutosign } from '../../infra/demo/autosign.ts';
import type { PushedImage } from '../../infra/images/push-image.ts';
import type { RunningProcess } from '../../infra/processes/start-process.ts';
import { newWebhookToken } from '../../src/commands/token.ts';
import { sample } from '../emulator/sample-config.ts';
import { uniqueRepository } from '../support/names.ts';
import { signingCertificate, signingKey } from '../support/signing-keys.ts';
import { waitUntil } from './wait-until.ts';

export interface LabOptions {
  /** `127.0.0.1:PORT` of each registry of the rules, by its name; none need be there. */
  readonly registries: Readonly<Record<string, string>>;
  /** Absent: `up` starts one of its own. */
  readonly redisUrl?: string;
  /** URL of an emulator that holds the lab's key; absent: the key is a file. */
  readonly kmsUrl?: string;
  readonly existing?: 'sign' | 'ignore';
  /** Further fields of each registry in the rules, by its name. */
  readonly fields?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Where the images of every registry are; absent: one of the lab's own for each. */
  readonly namespace?: string;
}

/** Rules, key, certificate and token in a directory of its own; the test starts what it needs. Removed when it ends. */
export interface Lab {
  readonly directory: string;
  /** What every command of the product needs. */
  readonly environment: Readonly<Record<string, string>>;
  /** A repository of its own that the rules cover in this registry alone: other labs share the server and sign, too. */
  repository(registry?: string): string;
  /** Of the webhook. */
  token(registry?: string): string;
  /** Starts a service and waits until it listens; `url` is the receiver's, or the admin one of `work`. */
  start(command: 'serve' | 'work' | 'up', env?: Record<string, string>): Promise<Service>;
}

export interface Service {
  readonly process: RunningProcess;
  readonly url: string;
  /** Posts ACR's webhook body. */
  post(image: PushedTag): Promise<Response>;
}

interface PushedTag {
  readonly registry?: string;
  readonly repository: string;
  readonly tag?: string;
}

/** Long enough for a start on a loaded machine. */
export const startTimeoutMs = 60_000;
const key = signingKey('EC_P256', 'lab');
// Each registry wants a token of its own.
const tokens = new Map<string, ReturnType<typeof newWebhookToken>>();

/** The lab's key as a key of the sample account in an emulator. */
export const labKmsKey = {
  keyId: sample.keys.EC_P256,
  spec: 'EC_P256' as const,
  versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem: key.privateKeyPem }],
};

/** Says what to do when the test ends; the last one is done first. Vitest gives it to each test as `onTestFinished`. */
export type AtEnd = (cleanUp: () => Promise<void>) => void;

export async function createLab(options: LabOptions, atEnd: AtEnd): Promise<Lab> {
  const own = randomBytes(4).toString('hex');
  const namespaceOf = (registry: string) => options.namespace ?? `${registry}-${own}`;
  const directory = await mkdtemp(join(tmpdir(), 'autosign-lab-'));
  atEnd(() => rm(directory, { recursive: true, force: true }));
  // JSON is YAML, and needs no quoting of ours.
  await writeFile(join(directory, 'rules.yaml'), JSON.stringify(rulesOf(options, namespaceOf), undefined, 1));
  await writeFile(join(directory, 'lab.pem'), key.privateKeyPem);
  await writeFile(join(directory, 'lab.pub.pem'), key.publicKeyPem);
  await writeFile(join(directory, 'lab-chain.pem'), await signingCertificate(key));
  const environment = {
    AUTOSIGN_RULES: join(directory, 'rules.yaml'),
    AUTOSIGN_STATE_DIR: join(directory, 'state'),
    AUTOSIGN_PORT: '0',
    AUTOSIGN_ADMIN_PORT: '0',
    ...(options.redisUrl !== undefined && { AUTOSIGN_REDIS_URL: options.redisUrl }),
  };
  return {
    directory,
    environment,
    repository: (registry = 'lab') => uniqueRepository('app', namespaceOf(registry)),
    token: (registry = 'lab') => tokenOf(registry).token,
    start: async (command, env = {}) => {
      const process = await startAutosign({ args: [command], env: { ...environment, ...env } });
      atEnd(async () => {
        await process.stop();
      });
      const [message, field] =
        command === 'work' ? ['"worker takes jobs"', 'admin'] : ['"receiver listens"', 'address'];
      const line = await process.waitForLine((text) => text.includes(message), startTimeoutMs);
      const url: string = JSON.parse(line)[field];
      return { process, url, post: (image) => post(url, image) };
    },
  };
}

function rulesOf(
  { registries, fields, kmsUrl, existing = 'sign' }: LabOptions,
  namespaceOf: (registry: string) => string,
) {
  const { region, roleArn, keyVersionId, keys } = sample;
  const kms = { region, keyId: keys.EC_P256, keyVersionId, roleArn, endpoint: kmsUrl, stsEndpoint: kmsUrl };
  return {
    version: 1,
    registries: Object.entries(registries).map(([name, host]) => ({
      name,
      host,
      plainHttp: true,
      webhook: { tokenSha256: [tokenOf(name).tokenSha256] },
      ...fields?.[name],
    })),
    keys: [
      {
        name: 'release',
        spec: 'EC_P256',
        ...(kmsUrl === undefined ? { local: { privateKeyFile: 'lab.pem' } } : { kms }),
        publicKeyFile: 'lab.pub.pem',
        publicKeySha256: key.publicKeySha256,
        certificateChain: 'lab-chain.pem',
      },
    ],
    rules: Object.keys(registries).map((name) => ({
      name: `images-of-${name}`,
      registries: [name],
      namespaces: { include: [namespaceOf(name)] },
      key: 'release',
      algorithm: 'ECDSA_SHA_256',
      existing,
    })),
  };
}

function tokenOf(registry: string) {
  const token = tokens.get(registry) ?? newWebhookToken(registry);
  tokens.set(registry, token);
  return token;
}

function post(url: string, { registry = 'lab', repository, tag = 'v1' }: PushedTag): Promise<Response> {
  const [namespace, name] = repository.split('/');
  return fetch(`${url}${tokenOf(registry).path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ push_data: { tag }, repository: { namespace, name } }),
  });
}

/** How many signatures the fallback tag of an image lists (distribution-spec, "Referrers tag schema"). */
export async function signaturesOf(host: string, repository: string, { digest }: PushedImage): Promise<number> {
  const accept = 'application/vnd.oci.image.index.v1+json';
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${digest.replace(':', '-')}`, {
    headers: { accept },
  });
  // docker-registry 2.8 answers 500 while the tag is being written: its link file is empty for a moment.
  if ([404, 500].includes(answer.status)) return 0;
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { readonly manifests: readonly unknown[] }).manifests.length;
}

/** Waits until an image has its one signature. */
export async function untilSigned(host: string, repository: string, image: PushedImage): Promise<void> {
  await waitUntil(
    () => signaturesOf(host, repository, image),
    (count) => count === 1,
  );
}

interface KeyState {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
}

/** What the admin port of `work` says of its one key. */
export async function keyStateOf({ url }: Service): Promise<KeyState | undefined> {
  const { keys } = (await (await fetch(`${url}/readyz`)).json()) as { readonly keys: readonly KeyState[] };
  return keys[0];
}
