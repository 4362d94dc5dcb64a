import { z } from 'zod';
import type { AcrApi } from '../../alibaba/acr-api.ts';
import { findRepository } from '../../alibaba/acr-repositories.ts';
import { listTriggers } from '../../alibaba/acr-triggers.ts';
import type { FetchedManifest } from '../../domain/descriptor.ts';
import { AutosignError, isAutosignError } from '../../domain/errors.ts';
import { namespaceOf } from '../../domain/image-reference.ts';
import type { DeliveryWish } from '../../ports/delivery-capture.ts';
import { pushIfMissing } from '../../registry/push-artifact.ts';
import type { RegistryClient } from '../../registry/registry-client.ts';
import type { Registry } from '../../rules/rule-set.ts';
import { failureOf } from '../check.ts';
import { cleanUp, removeTriggers, repositoryIdOf } from './clean-up.ts';
import { eventFacts, webhookFacts } from './delivery-facts.ts';
import type { LiveReport, Step } from './fact.ts';
import { lookAtListing } from './list-signatures.ts';
import type { Observed } from './observed.ts';
import type { RecordedClient } from './record-puts.ts';
import { instanceFacts, registryFacts, untouchedFacts } from './registry-facts.ts';
import { buildScratchImage, type ScratchImage } from './scratch-image.ts';
import { sortDeliveries } from './sort-deliveries.ts';
import { tryTriggers } from './try-triggers.ts';

export interface LiveParts {
  readonly registry: Registry;
  /** Namespace and name. */
  readonly repository: string;
  /** The tag of the scratch image, and the name of all else that is made; nobody else has it. */
  readonly name: string;
  /** What every manifest of the run is pushed by, signatures included. */
  readonly recorded: RecordedClient;
  /** Makes one more signature of the image. Throws as `produceSignature`. */
  readonly sign: (image: FetchedManifest) => Promise<unknown>;
  /** Undefined for a registry that is no instance of ACR. */
  readonly api: AcrApi | undefined;
  readonly wish: DeliveryWish;
  /** How long deliveries are waited for after the push, and again after the signatures. */
  readonly waitMs: number;
  /** How long a receiver may take to notice the wish. */
  readonly noticeMs: number;
  /** Whether triggers are made and deleted to see which types there are. */
  readonly withTriggers: boolean;
  readonly signal: AbortSignal;
  /** Rejects with the reason of `signal`. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly tell: (step: Step) => void;
}

const pollMs = 500;
// Beyond the two waits: pushes, signatures and questions.
const workMs = 120_000;

/**
 * Pushes a scratch image to a real registry, signs it twice, looks at what comes of it, and takes all of it away again,
 * also when a step fails or the run is stopped. What one step could not see does not stop the next.
 */
export async function runLive(parts: LiveParts): Promise<LiveReport> {
  const { registry, repository, name, recorded, signal } = parts;
  const observed: Observed = {
    ...{ registry, repository, tag: name, waitSeconds: parts.waitMs / 1_000, puts: recorded.puts },
    ...{ deliveries: [], signatures: [], triedTriggers: [] },
  };
  const steps: Step[] = [];
  const add = (step: Step) => {
    steps.push(step);
    parts.tell(step);
  };
  const step = async (what: string, work: () => Promise<string>): Promise<boolean> => {
    signal.throwIfAborted();
    try {
      add({ step: what, result: 'ok', detail: await work() });
      return true;
    } catch (error) {
      add({ step: what, result: signal.aborted ? 'stopped' : 'failed', detail: failureOf(error).detail });
      signal.throwIfAborted();
      return false;
    }
  };
  const begun = { wish: false };
  const left: string[] = [];
  try {
    await observe(parts, observed, step, begun);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    left.push(...(await takeAllAway(parts, observed, begun, add)));
  }
  const facts = [
    ...webhookFacts(observed),
    ...eventFacts(observed),
    ...registryFacts(observed),
    ...(parts.api === undefined ? [] : instanceFacts(observed)),
    ...untouchedFacts(),
  ];
  return { steps, facts, left };
}

type RunStep = (what: string, work: () => Promise<string>) => Promise<boolean>;

async function observe(parts: LiveParts, observed: Observed, step: RunStep, begun: { wish: boolean }): Promise<void> {
  const { repository, name, recorded, api } = parts;
  const { client } = recorded;
  if (!(await step('ask the receiver to show deliveries', () => beginWish(parts, begun)))) return;
  const image = buildScratchImage(name);
  const pushed = await step('push a scratch image', () => pushImages(parts, observed, image));
  if (!pushed) return;
  await step('wait for its webhook and its event', () => untilHeard(parts, observed));
  const manifest = { descriptor: image.descriptor, bytes: image.manifest };
  await step('sign it', () => signOnce(parts, observed, manifest));
  if (observed.signatures.length === 1) await step('sign it again', () => signOnce(parts, observed, manifest));
  await step('list its signatures', async () => {
    observed.listing = await lookAtListing(client, repository, image.descriptor.digest);
    return 'by the referrers API and by tags';
  });
  await step('ask for the list of repositories', async () => {
    observed.catalog = await askCatalog(client);
    return observed.catalog;
  });
  if (api !== undefined) await step("ask the instance's OpenAPI", () => askInstance(parts, api, observed));
  await step('wait for what the signatures cause', () => waitForMore(parts, observed));
}

/** By the last part of the repository's name: it stands in every form in which a delivery may name it. */
async function beginWish({ wish, registry, repository, waitMs, noticeMs, sleep }: LiveParts, begun: { wish: boolean }) {
  const text = repository.slice(repository.lastIndexOf('/') + 1);
  begun.wish = await wish.begin(registry.name, text, 2 * waitMs + noticeMs + workMs);
  if (!begun.wish) {
    throw new AutosignError('usage', `Another "autosign doctor --live" looks at registry ${registry.name} now.`);
  }
  await sleep(noticeMs);
  return `for registry ${registry.name}`;
}

async function pushImages({ recorded, repository, name }: LiveParts, observed: Observed, image: ScratchImage) {
  observed.image = image.descriptor.digest;
  await pushOne(recorded.client, repository, name, image);
  const untagged = buildScratchImage(`${name}-untagged`);
  observed.untagged = untagged.descriptor.digest;
  await pushOne(recorded.client, repository, untagged.descriptor.digest, untagged);
  return `${repository}:${name} (${image.descriptor.digest}), and another one without a tag`;
}

async function pushOne(client: RegistryClient, repository: string, reference: string, image: ScratchImage) {
  for (const blob of image.blobs) await pushIfMissing(client, repository, blob);
  await client.putManifest(repository, reference, image.descriptor.mediaType, image.manifest);
}

/** Until both doors that the rules file names have heard of the push. */
async function untilHeard(parts: LiveParts, observed: Observed): Promise<string> {
  const { registry, waitMs, sleep } = parts;
  const doors = [
    ...(registry.webhook === undefined ? [] : (['acr'] as const)),
    ...(registry.eventBridge === undefined ? [] : (['event-bridge'] as const)),
  ];
  const heard = () =>
    doors.filter((door) => sortDeliveries(observed, door).some(({ cause }) => cause === 'image')).join(' and ');
  const until = performance.now() + waitMs;
  while (performance.now() < until && doors.length > 0) {
    await readDeliveries(parts, observed);
    if (heard() === doors.join(' and ')) return `seen: ${heard()}`;
    await sleep(Math.min(pollMs, Math.max(0, until - performance.now())));
  }
  return `seen within ${observed.waitSeconds} s: ${heard() || 'none'}; the rules file names ${doors.join(' and ') || 'none'}`;
}

/** That nothing comes is told by waiting alone; where nothing came for the push itself, it would tell nothing. */
async function waitForMore(parts: LiveParts, observed: Observed): Promise<string> {
  if (observed.deliveries.length === 0) return 'left out: the push itself was not heard of';
  await parts.sleep(parts.waitMs);
  await readDeliveries(parts, observed);
  return `${observed.deliveries.length} deliveries of the repository in all`;
}

async function readDeliveries({ wish, registry }: LiveParts, observed: Observed): Promise<void> {
  observed.deliveries = await wish.read(registry.name);
}

/** That a second signature is refused is what the run is to find out; that the first one is, is a failure. */
async function signOnce({ sign }: LiveParts, observed: Observed, image: FetchedManifest): Promise<string> {
  const isFirst = observed.signatures.length === 0;
  try {
    await sign(image);
  } catch (error) {
    if (isFirst || !isAutosignError(error)) throw error;
    observed.signatures = [...observed.signatures, `no, ${error.code}: ${error.message}`];
    return 'refused, see second-signature';
  }
  observed.signatures = [...observed.signatures, undefined];
  return 'signed, found and verified';
}

async function askCatalog(client: RegistryClient): Promise<string> {
  try {
    for await (const _ of client.listRepositories()) break;
    return 'yes';
  } catch (error) {
    if (isAutosignError(error, 'registry-denied', 'not-found', 'registry-protocol')) return `no (${error.code})`;
    throw error;
  }
}

const TagPage = z.object({ TotalCount: z.unknown(), Images: z.array(z.record(z.string(), z.unknown())) });

async function askInstance(parts: LiveParts, api: AcrApi, observed: Observed): Promise<string> {
  const { repository, name, withTriggers } = parts;
  const namespace = namespaceOf(repository) ?? '';
  const found = await findRepository(api, { namespace, name: repository.slice(namespace.length + 1) });
  if (found === undefined)
    throw new AutosignError('not-found', `The OpenAPI does not know the repository ${repository}.`);
  observed.tagsAreImmutable = found.tagsAreImmutable;
  const query = { RepoId: found.id, PageNo: '1', PageSize: '100' };
  const { TotalCount, Images } = await api.call('ListRepoTag', TagPage, { query });
  observed.tagList = { total: TotalCount, images: Images };
  observed.triggerTypes = [...new Set((await listTriggers(api, found.id)).map(({ type }) => type))];
  if (withTriggers) observed.triedTriggers = await tryTriggers(api, found.id, name);
  return 'its tags, its triggers';
}

async function takeAllAway(
  parts: LiveParts,
  observed: Observed,
  begun: { readonly wish: boolean },
  add: (step: Step) => void,
): Promise<readonly string[]> {
  const { registry, wish, api, recorded, withTriggers, repository, name } = parts;
  const left: string[] = [];
  if (begun.wish) {
    await wish
      .end(registry.name)
      .catch(() => void left.push('what receivers kept in Redis: it ends within ten minutes'));
  }
  if (observed.image === undefined) return left;
  if (api !== undefined && withTriggers) {
    const id =
      observed.tagList === undefined ? undefined : await repositoryIdOf(api, repository).catch(() => undefined);
    if (id !== undefined) {
      left.push(...(await removeTriggers(api, id, name).catch(() => [`triggers named ${name} of ${repository}`])));
    }
  }
  left.push(...(await cleanUp({ client: recorded.client, api }, observed)));
  const detail = left.length === 0 ? 'nothing of it is left' : `left: ${left.join(', ')}`;
  add({ step: 'take all of it away', result: left.length === 0 ? 'ok' : 'failed', detail });
  return left;
}
