import { resolve } from 'node:path';
import { createBaselineStore } from '../coordination/baseline-store.ts';
import { AutosignError } from '../domain/errors.ts';
import { type ImageReference, parseImageReference } from '../domain/image-reference.ts';
import { builtFormats } from '../formats/built-formats.ts';
import { systemClock } from '../ports/clock.ts';
import { createAllImageJobs } from '../queue/all-image-jobs.ts';
import { closeConnection, connectProducer } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createSignatureStores } from '../registry/signature-stores.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { findRegistry } from '../rules/registry-of-host.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts';
import { type ImageStatus, imageStatus } from './image-status.ts';
import { openQueues } from './open-queues.ts';
import { openRegistry } from './open-registries.ts';
import { loadPublicKeyRing } from './public-key-ring.ts';
import { readOnlyLock } from './read-only-lock.ts';
import { readOptionalQueueSettings, type Settings } from './settings.ts';
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
  const settings = readOptionalQueueSettings(process.env);
  const ruleSet = await loadRuleSet(resolve(options.rules));
  const registry = findRegistry(ruleSet, reference.host);
  const status =
    registry === undefined ? noRegistry(reference) : await statusOf(reference, { registry, ruleSet, settings });
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
  readonly settings: Pick<Settings, 'redisUrl' | 'queues'>;
}

async function statusOf(reference: ImageReference, { registry, ruleSet, settings }: StatusContext) {
  const client = openRegistry(registry, ruleSet, { env: process.env });
  const queue = openQueueView(settings);
  try {
    return await imageStatus(
      { ...reference, registry },
      {
        ruleSet,
        keyRing: await publicKeyRing(ruleSet),
        stores: createSignatureStores({ client, lock: readOnlyLock }),
        formats: builtFormats,
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

/** What counts today counts, also when it is to be renewed soon. */
function publicKeyRing(ruleSet: RuleSet) {
  const keys = new Map([...ruleSet.keys].map(([name, key]) => [name, { ...key, renewBeforeMs: 0 }] as const));
  return loadPublicKeyRing({ ...ruleSet, keys });
}

function openQueueView(settings: StatusContext['settings']) {
  const { redisUrl } = settings;
  if (redisUrl === undefined) return undefined;
  // What is wrong is said by the step that fails.
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const jobs = createAllImageJobs({ redis, queues: openQueues(redis, settings), timeoutMs: stepTimeoutMs });
  const { standing } = createBaselineStore({ redis, prefix: signQueuePrefix });
  return {
    live: jobs.live,
    dead: jobs.dead,
    standing,
    close: async () => {
      await jobs.close();
      await closeConnection(redis);
    },
  } satisfies QueueView & { close: () => Promise<void> };
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
