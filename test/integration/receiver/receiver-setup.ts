import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { createDeliveryCapture } from '../../../src/coordination/delivery-capture.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import type { RedisConnection } from '../../../src/coordination/redis-connection.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import type { PushMarks } from '../../../src/ports/baseline.ts';
import { type Clock, systemClock } from '../../../src/ports/clock.ts';
import { createConfirm } from '../../../src/queue/confirmation.ts';
import { closeConnection, connectProducer } from '../../../src/queue/connection.ts';
import { createSeenEvents } from '../../../src/queue/seen-events.ts';
import { createSignQueue } from '../../../src/queue/sign-queue.ts';
import { createCertificateKeys, type FetchCertificate } from '../../../src/receiver/certificate-keys.ts';
import { certificateLimits } from '../../../src/receiver/certificate-limits.ts';
import type { RulesRefusal } from '../../../src/receiver/health-routes.ts';
import { createPinnedKeys } from '../../../src/receiver/pinned-keys.ts';
import { createReceiver } from '../../../src/receiver/receiver.ts';
import { type ReceiverLimits, receiverLimits } from '../../../src/receiver/receiver-limits.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import type { RuleSet } from '../../../src/rules/rule-set.ts';
import { uniquePrefix } from '../../support/names.ts';

/** Tokens of the registries in `rulesText`. */
export const tokens = { prod: 'prod-token-new', prodOld: 'prod-token-old', quiet: 'quiet-token', bare: 'bare-token' };

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');

/** A registry with two tokens, one whose rule is off, one without rules, one without a webhook. */
export function rulesText(prodHashes: readonly string[] = [tokens.prodOld, tokens.prod]): string {
  return `version: 1
registries:
  - { name: prod, host: prod.example.com, webhook: { tokenSha256: [${prodHashes.map(hashOf).join(', ')}] } }
  - { name: quiet, host: quiet.example.com, webhook: { tokenSha256: [${hashOf(tokens.quiet)}] } }
  - { name: bare, host: bare.example.com, webhook: { tokenSha256: [${hashOf(tokens.bare)}] } }
  - { name: mute, host: mute.example.com }
keys:
  - { name: dev, spec: RSA_2048, local: { privateKeyFile: dev.pem } }
rules:
  - name: releases
    registries: [prod, mute]
    namespaces: { include: [prod] }
    tags: { include: ["v*", "sha256-*"] }
    key: dev
    algorithm: RSA_PSS_SHA_256
  - { name: later, state: "off", registries: [quiet], key: dev, algorithm: RSA_PSS_SHA_256 }
`;
}

export async function readRules(text: string): Promise<RuleSet> {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-rules-'));
  try {
    const file = join(directory, 'rules.yaml');
    writeFileSync(file, text);
    return await loadRuleSet(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export interface TestReceiver {
  readonly app: FastifyInstance;
  readonly redis: RedisConnection;
  readonly marks: PushMarks;
  readonly prefix: string;
  /** Everything logged, one JSON line an entry. */
  readonly log: string[];
  /** The registry of each push that was not confirmed. */
  readonly unconfirmed: string[];
  /** The registry of each reconcile that was asked for. */
  readonly reconciles: string[];
  /** Replaces the rules in use. */
  use(rules: RuleSet): void;
  close(): Promise<void>;
}

export interface TestReceiverOptions {
  readonly redisUrl: string;
  readonly limits?: Partial<ReceiverLimits>;
  readonly trustProxy?: readonly string[];
  readonly refusal?: RulesRefusal;
  /** Without it no certificate of EventBridge can be fetched. */
  readonly fetchCertificate?: FetchCertificate;
  readonly clock?: Clock;
}

/** A receiver on a real Redis with a prefix of its own; not listening. */
export async function openReceiver(options: TestReceiverOptions): Promise<TestReceiver> {
  const prefix = uniquePrefix('receiver');
  const log: string[] = [];
  const unconfirmed: string[] = [];
  const reconciles: string[] = [];
  let rules = await readRules(rulesText());
  const redis = connectProducer({ redisUrl: options.redisUrl, onError: () => undefined });
  const queue = createSignQueue({ redis, prefix, timeoutMs: 950 });
  const marks = createPushMarks({ redis, prefix });
  const clock = options.clock ?? systemClock;
  const fetchCertificate =
    options.fetchCertificate ?? (() => Promise.reject(new Error('this test fetches no certificate')));
  const confirm = createConfirm(redis, 950);
  const app = await createReceiver({
    rules: () => rules,
    rulesRefused: () => options.refusal,
    queue,
    marks,
    onUnconfirmed: (registry) => void unconfirmed.push(registry),
    capture: createDeliveryCapture({ redis, prefix }),
    certificateKeys: createCertificateKeys({ fetchCertificate, clock, limits: certificateLimits }),
    pinnedKeys: createPinnedKeys({ clock, keptMs: certificateLimits.pinnedKeptMs }),
    seenEvents: createSeenEvents({ redis, prefix, timeoutMs: 950 }),
    askReconcile: (registry) =>
      confirm(async () => {
        await redis.ping();
        reconciles.push(registry);
      }),
    clock,
    logger: createLogger({ level: 'trace', destination: { write: (line) => log.push(line) } }),
    limits: { ...receiverLimits, ...options.limits },
    trustProxy: options.trustProxy ?? [],
  });
  return {
    app,
    redis,
    marks,
    prefix,
    log,
    unconfirmed,
    reconciles,
    use: (next) => {
      rules = next;
    },
    close: async () => {
      await app.close();
      await queue.close();
      await closeConnection(redis);
    },
  };
}

/** ACR's documented body for one image. */
export function pushBody({ namespace = 'prod', name = 'app', tag = 'v1' } = {}) {
  return {
    push_data: { digest: `sha256:${'a'.repeat(64)}`, pushed_at: '2026-01-02 03:04:05', tag },
    repository: {
      date_created: '2026-01-01 00:00:00',
      name,
      namespace,
      region: 'cn-hangzhou',
      repo_authentication_type: 'NO_CERTIFIED',
      repo_full_name: `${namespace}/${name}`,
      repo_origin_type: 'NO_CERTIFIED',
      repo_type: 'PUBLIC',
    },
  };
}
