import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createBaselineStore } from '../coordination/baseline-store.ts';
import { AutosignError } from '../domain/errors.ts';
import { type ImageReference, parseImageReference } from '../domain/image-reference.ts';
import { systemClock } from '../ports/clock.ts';
import { closeConnection, connectProducer } from '../queue/connection.ts';
import { createDeadLetters } from '../queue/dead-letters.ts';
import { createImageJobs } from '../queue/image-jobs.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createSignatureStore } from '../registry/signature-store.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { findRegistry } from '../rules/registry-of-host.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import { loadKeyRing } from '../signing/key-ring.ts';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts';
import { type ImageStatus, imageStatus } from './image-status.ts';
import { openRegistry } from './open-registries.ts';
import { readOnlyLock } from './read-only-lock.ts';
import { readOptionalRedisUrl } from './settings.ts';
import { signatureFormats } from './signature-formats.ts';
import type { QueueView } from './signature-status.ts';
import { statusLines } from './status-text.ts';
import { printJson, printLines } from './terminal.ts';

export interface StatusOptions {
  readonly rules: string;
  readonly json?: true;
}

// One step with Redis; an operator waits longer than a webhook.
const stepTimeoutMs = 5_000;

/** Finds out where an image stands, prints it, and sets the exit code. */
export async function runStatus(text: string, options: StatusOptions): Promise<void> {
  const reference = parseImageReference(text);
  if (reference.tag === undefined && reference.digest === undefined) {
    throw new AutosignError(
      'usage',
      `"${text}" names neither a tag nor a digest; write host/repository:tag or host/repository@sha256:…`,
    );
  }
  const redisUrl = readOptionalRedisUrl(process.env);
  const ruleSet = await loadRuleSet(resolve(options.rules));
  const registry = findRegistry(ruleSet, reference.host);
  const status =
    registry === undefined ? noRegistry(reference) : await statusOf(reference, { registry, ruleSet, redisUrl });
  if (options.json) printJson({ reference: text, registry: registry?.name ?? null, ...status });
  else printLines(statusLines(text, status));
  process.exitCode = exitCodeOfStatus(status);
}

function noRegistry({ host }: ImageReference): ImageStatus {
  const reason = `no registry of the rules has the host ${host}`;
  const nextStep = 'Name the host in the rules file, as host or among the aliases of a registry, or correct it.';
  return { verdict: 'no-rule', reason, nextStep, signatures: [], notWanted: [] };
}

interface StatusContext {
  readonly registry: Registry;
  readonly ruleSet: RuleSet;
  readonly redisUrl: string | undefined;
}

async function statusOf(reference: ImageReference, { registry, ruleSet, redisUrl }: StatusContext) {
  const client = openRegistry(registry, process.env);
  const queue = redisUrl === undefined ? undefined : openQueueView(redisUrl);
  try {
    return await imageStatus(
      { ...reference, registry },
      {
        ruleSet,
        keyRing: await publicKeyRing(ruleSet),
        store: createSignatureStore({ client, lock: readOnlyLock }),
        formats: signatureFormats,
        clock: systemClock,
        client,
        queue,
      },
    );
  } finally {
    await client.close();
    await queue?.close();
  }
}

/** The keys by their public parts alone. What counts today counts, also when it is to be renewed soon. */
function publicKeyRing(ruleSet: RuleSet) {
  const keys = new Map([...ruleSet.keys].map(([name, key]) => [name, { ...key, renewBeforeMs: 0 }] as const));
  return loadKeyRing({
    ruleSet: { ...ruleSet, keys },
    createSigner: async () => ({ sign: () => Promise.reject(new Error('this command signs nothing')) }),
    probe: async () => undefined,
    readTextFile: (file) => readFile(file, 'utf8'),
    clock: systemClock,
  });
}

function openQueueView(redisUrl: string): QueueView & { readonly close: () => Promise<void> } {
  // What is wrong is said by the step that fails.
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const shared = { redis, prefix: signQueuePrefix, timeoutMs: stepTimeoutMs };
  const sendsNothing = { add: () => Promise.reject(new Error('this command queues nothing')) };
  const deadLetters = createDeadLetters({ ...shared, queue: sendsNothing, now: () => new Date() });
  const jobs = createImageJobs({ ...shared, deadLetters });
  const { standing } = createBaselineStore(shared);
  return {
    live: jobs.live,
    dead: jobs.dead,
    standing,
    close: async () => {
      await jobs.close();
      await deadLetters.close();
      await closeConnection(redis);
    },
  };
}

function exitCodeOfStatus({ verdict, code, signatures }: ImageStatus): ExitCode {
  switch (verdict) {
    case 'valid':
      return exitCodes.ok;
    case 'failed':
    case 'gone':
      return exitCodes.failed;
    case 'not-signed':
      return exitCodes.notSigned;
    case 'no-rule':
    case 'not-an-image':
      return exitCodes.noRule;
    case 'denied':
      return exitCodes.denied;
    case 'unknown': {
      const codes = code === undefined ? signatures.flatMap((each) => each.code ?? []) : [code];
      return codes.map(exitCodeOf).find((each) => each === exitCodes.unreachable) ?? exitCodes.failed;
    }
  }
}
