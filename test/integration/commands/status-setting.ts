import { join, resolve } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { type PushedImage, pushImage } from '../../../infra/images/push-image.ts';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import type { Digest } from '../../../src/domain/digest.ts';
import type { Binding } from '../../../src/formats/signature-format.ts';
import { closeConnection, connectProducer } from '../../../src/queue/connection.ts';
import { signQueuePrefix } from '../../../src/queue/job-options.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createSignQueue } from '../../../src/queue/sign-queue.ts';
import { createRegistryClient } from '../../../src/registry/registry-client.ts';
import { createSignatureStore } from '../../../src/registry/signature-store.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import { uniqueRepository } from '../../support/names.ts';
import { signWithNotation } from '../../support/notation-artifacts.ts';
import {
  signingCertificate,
  signingKey,
  type TestCertificateOptions,
  trustedVersion,
} from '../../support/signing-keys.ts';
import { createInProcessLock } from '../../unit/registry/in-process-lock.ts';
import { openQueue } from '../worker/open-queue.ts';
import { directoryWith, runCommand } from './run-command.ts';

export const host = inject('fallbackHost');
export const tag = 'v1';
const key = signingKey('EC_P256');

export interface RulesOptions extends TestCertificateOptions {
  /** Fields of each rule, in place of the one rule, which signs all of the namespace prod in mode default. */
  readonly rules?: readonly string[];
  readonly deny?: string;
  /** When an earlier certificate of the key ends, which still counts. */
  readonly earlierEnds?: Date;
  readonly at?: string;
}

/** A rules file in which every rule covers the namespace prod of registry lab with one key. */
export async function writeRules(options: RulesOptions = {}) {
  const { rules = ['name: all, mode: default, existing: sign'], deny = '', at = host } = options;
  const certificatePem = await signingCertificate(key, options);
  const earlierPem = await signingCertificate(key, options.earlierEnds ? { notAfter: options.earlierEnds } : {});
  const trusted = '[{ publicKeyFile: release.pub.pem, certificateChain: earlier.pem }]';
  const shared = 'registries: [lab], namespaces: { include: [prod] }, key: release, algorithm: ECDSA_SHA_256';
  const text = `version: 1
registries: [{ name: lab, host: "${at}", plainHttp: true }]
keys:
  - name: release
    spec: EC_P256
    local: { privateKeyFile: none.pem }
    publicKeyFile: release.pub.pem
    publicKeySha256: "${key.publicKeySha256}"
    certificateChain: release-chain.pem
    trusted: ${options.earlierEnds ? trusted : '[]'}
rules: [${rules.map((fields) => `{ ${fields}, ${shared} }`).join(', ')}]
${deny}`;
  const files = {
    'rules.yaml': text,
    'release.pub.pem': key.publicKeyPem,
    'release-chain.pem': certificatePem,
    'earlier.pem': earlierPem,
  };
  const file = join(directoryWith(files, onTestFinished), 'rules.yaml');
  return { file, certificatePem, earlierPem };
}

/** An image in the registry, and a way to sign it without the pipeline. */
export async function pushToSign(seed?: string, repository = uniqueRepository()) {
  const image = await pushImage({ host, repository, tag, kind: 'oci-manifest', ...(seed && { seed }) });
  return { image, repository, reference: `${host}/${repository}:${tag}` };
}

/** Signs with the key of the rules and attaches the signature; answers its digest. */
export async function sign(
  { image, repository }: { readonly image: PushedImage; readonly repository: string },
  certificatePem: string,
  binding: Binding = { mode: 'default', repository: `${host}/${repository}`, tag },
): Promise<Digest> {
  const { digest, mediaType, size } = image;
  const subject = { digest, mediaType, size };
  const artifact = await signWithNotation(key, await trustedVersion(key, { certificatePem }), { subject, binding });
  const registry = { host, plainHttp: true, realms: [] };
  const client = createRegistryClient({ registry, login: { credentials: async () => undefined }, userAgent: 'test' });
  await createSignatureStore({ client, lock: createInProcessLock() }).push(repository, subject, artifact);
  await client.close();
  return artifact.descriptor.digest;
}

/** A Redis of its own, as the command knows one queue only. */
export async function openRedis() {
  const { url: redisUrl, stop } = await startRedis({ appendOnly: false });
  onTestFinished(() => stop().then(() => undefined));
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const queue = createSignQueue({ redis, prefix: signQueuePrefix, timeoutMs: 5_000 });
  onTestFinished(async () => {
    await queue.close();
    await closeConnection(redis);
  });
  await queue.check();
  const baseline = createBaselineStore({ redis, prefix: signQueuePrefix });
  return {
    redisUrl,
    redis,
    queue,
    /** Completes the baseline of the first rule, with this image in it when there is one. */
    completeBaseline: async (file: string, existing?: { readonly image: PushedImage; readonly repository: string }) => {
      const ruleSet = await loadRuleSet(resolve(file));
      for (const rule of ruleSet.rules) {
        const identity = ruleIdentity(ruleSet, rule);
        const walk = await baseline.begin(identity, 'lab');
        if (existing !== undefined) {
          const { repository, image } = existing;
          await baseline.enter(identity, { registry: 'lab', repository, tag }, image.digest);
        }
        await baseline.complete(identity, 'lab', walk);
      }
    },
    worker: () => openQueue(redisUrl, signQueuePrefix),
  };
}

export function pushJob(repository: string): SignJob {
  const cause = { kind: 'push', receivedAt: '2026-01-02T03:04:05.000Z' } as const;
  return { version: 1, registry: 'lab', repository, tag, lane: 'push', cause };
}

/** What the command prints for scripts. */
export async function statusOf(reference: string, rulesFile: string, env: Record<string, string> = {}) {
  const result = await runCommand(['status', reference, '--rules', rulesFile, '--json'], env);
  return { ...result, json: result.stdout === '' ? undefined : JSON.parse(result.stdout) };
}

/** What it prints for people. */
export function statusText(reference: string, rulesFile: string, env: Record<string, string> = {}) {
  return runCommand(['status', reference, '--rules', rulesFile], env);
}
