import { type AcrInstance, splitRepository } from './acr-instance.ts';
import { type AcrTrigger, fires } from './acr-triggers.ts';

/** One call of a trigger. */
export interface WebhookDelivery {
  readonly triggerId: string;
  readonly repository: string;
  readonly tag: string;
  /** What the trigger's URL answered; undefined when it did not. */
  readonly status: number | undefined;
}

/** Calls triggers, once each: whether ACR tries again is not documented. */
export interface Webhooks {
  readonly deliveries: readonly WebhookDelivery[];
  /** Calls those of the repository's triggers that want the tag, and does not wait for them. */
  pushed(repository: string, tag: string, digest: string): void;
  /** Breaks off what is underway. */
  close(): Promise<void>;
}

const timeoutMs = 10_000;
/** China's; which zone the real times are in is not documented. */
const zoneMs = 8 * 3_600_000;

export function createWebhooks(instance: AcrInstance): Webhooks {
  const deliveries: WebhookDelivery[] = [];
  const underway = new Set<Promise<void>>();
  const closing = new AbortController();

  async function deliver(trigger: AcrTrigger, repository: string, tag: string, body: string): Promise<void> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(trigger.url, { method: 'POST', headers, body, redirect: 'manual', signal }).catch(
      () => undefined,
    );
    await answer?.body?.cancel().catch(() => {});
    deliveries.push({ triggerId: trigger.triggerId, repository, tag, status: answer?.status });
  }

  return {
    deliveries,
    pushed(repository, tag, digest) {
      const body = webhookBody(instance, repository, tag, digest);
      for (const trigger of instance.triggersOf(repository).filter((candidate) => fires(candidate, tag))) {
        const delivery = deliver(trigger, repository, tag, body);
        underway.add(delivery);
        void delivery.then(() => underway.delete(delivery));
      }
    },
    async close() {
      closing.abort();
      await Promise.all(underway);
    },
  };
}

/** The documented body (https://www.alibabacloud.com/help/doc-detail/60949.htm). It names no instance. */
function webhookBody(instance: AcrInstance, repository: string, tag: string, digest: string): string {
  const { namespace, name } = splitRepository(repository);
  const { repoType, createdAtMs } = instance.describe(repository);
  return JSON.stringify({
    push_data: { digest, pushed_at: zoneless(instance.pushTimes(repository, tag).lastMs), tag },
    repository: {
      date_created: zoneless(createdAtMs),
      name,
      namespace,
      region: instance.region,
      repo_authentication_type: 'NO_CERTIFIED',
      repo_full_name: repository,
      repo_origin_type: 'NO_CERTIFIED',
      repo_type: repoType,
    },
  });
}

/** `YYYY-MM-DD HH:mm:ss` without a zone. */
function zoneless(timeMs: number): string {
  return new Date(timeMs + zoneMs).toISOString().replace('T', ' ').slice(0, 19);
}
