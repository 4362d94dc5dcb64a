import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { signQueueName } from '../../../src/queue/job-options.ts';
import { certificateLimits } from '../../../src/receiver/certificate-limits.ts';
import { createCertificateFetch } from '../../../src/receiver/fetch-certificate.ts';
import { createEventBridge, type Delivery, type EventBridge } from '../../emulator/event-bridge.ts';
import { type CertificateHost, startCertificateHost } from '../../support/certificate-host.ts';
import { openReceiver, readRules, type TestReceiver, type TestReceiverOptions } from './receiver-setup.ts';

export const region = 'cn-hangzhou';
export const accountId = '1234567890123456';
export const instanceId = 'cri-prod';
export const url = 'https://hooks.example.com/webhooks/eventbridge/prod';
export const token = 'the-token-of-the-target';
export const image = { instanceId, repository: 'prod/app', tag: 'v1' };

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** `prod` has EventBridge, `lab` a webhook alone. */
export function rulesFor(
  changes: { readonly certificateFile?: string; readonly tokens?: readonly string[] } = {},
): string {
  const { tokens = [token], certificateFile } = changes;
  const eventBridge = { url, accountId, tokenSha256: tokens.map(hashOf), certificateFile };
  return JSON.stringify({
    version: 1,
    registries: [
      { name: 'prod', host: 'prod.example.com', acr: { instanceId, region }, eventBridge },
      { name: 'lab', host: 'lab.example.com', webhook: { tokenSha256: [hashOf(token)] } },
    ],
    keys: [{ name: 'dev', spec: 'RSA_2048', local: { privateKeyFile: 'dev.pem' } }],
    rules: [
      {
        name: 'releases',
        registries: ['prod', 'lab'],
        namespaces: { include: ['prod'] },
        tags: { include: ['v*', 'sha256-*'] },
        key: 'dev',
        algorithm: 'RSA_PSS_SHA_256',
      },
    ],
  });
}

/** A receiver on a real Redis, EventBridge with a key of its own, and the host that has its certificate. */
export interface EventBridgeReceiver extends TestReceiver {
  readonly queue: Queue;
  readonly eventBridge: EventBridge;
  readonly host: CertificateHost;
  /** The time of the receiver, milliseconds since 1970; stands still. */
  readonly nowMs: number;
  /** A delivery that is in order, for this time. */
  sign(event?: Record<string, unknown> | string, changes?: Readonly<Record<string, unknown>>): Delivery;
  send(
    delivery: Delivery,
    changes?: Readonly<Record<string, string | undefined>>,
    registry?: string,
  ): ReturnType<typeof post>;
}

// One key for all tests of a file: making one takes longer than most of them.
const ownEventBridge = createEventBridge({ region, accountId });
const nowMs = Date.parse('2026-11-28T12:00:00Z');

export async function openEventBridgeReceiver(
  options: Omit<TestReceiverOptions, 'fetchCertificate' | 'clock'>,
  rules: string = rulesFor(),
): Promise<EventBridgeReceiver> {
  const eventBridge = await ownEventBridge;
  const host = await startCertificateHost(new URL(eventBridge.certificateUrl).hostname, (_, response) => {
    response.end(eventBridge.certificatePem);
  });
  const receiver = await openReceiver({
    ...options,
    clock: { now: () => new Date(nowMs) },
    fetchCertificate: createCertificateFetch({ agent: host.agent, userAgent: 'test/1', limits: certificateLimits }),
  });
  receiver.use(await readRules(rules));
  const queue = new Queue(signQueueName, { connection: receiver.redis, prefix: receiver.prefix });
  queue.on('error', () => undefined);
  return {
    ...receiver,
    queue,
    eventBridge,
    host,
    nowMs,
    sign: (event = eventBridge.event(image), changes = {}) =>
      eventBridge.sign(event, { url, token, timestamp: nowMs, ...changes }),
    send: (delivery, changes, registry) => post(receiver, delivery, changes, registry),
    close: async () => {
      await queue.close();
      await receiver.close();
      await host.close();
    },
  };
}

function post(
  { app }: TestReceiver,
  { headers, body }: Delivery,
  changes: Readonly<Record<string, string | undefined>> = {},
  registry = 'prod',
) {
  const sent = Object.fromEntries(
    Object.entries({ ...headers, ...changes }).filter(([, value]) => value !== undefined),
  );
  return app.inject({
    method: 'POST',
    url: `/webhooks/eventbridge/${registry}`,
    headers: sent as Record<string, string>,
    payload: body,
  });
}

/** Waits for the connection, for what a test asks of Redis itself. */
export async function untilConnected({ redis }: Pick<TestReceiver, 'redis'>): Promise<void> {
  if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve));
}

/** A file with `text` in a directory of its own. */
export function writePinned(text: string): {
  readonly file: string;
  readonly write: (text: string) => void;
  readonly remove: () => void;
} {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-pinned-'));
  const file = join(directory, 'eventbridge.pem');
  writeFileSync(file, text);
  return { file, write: (next) => writeFileSync(file, next), remove: () => rmSync(directory, { recursive: true }) };
}
