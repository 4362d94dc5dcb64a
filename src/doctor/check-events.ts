import type { Registry } from '../rules/rule-set.ts';
import { type Check, failure, ok, type Verdict, warning } from './check.ts';

/** What came back from a request without credentials to our own door. */
export interface DoorAnswer {
  readonly status: number;
  /** The `error` of the JSON body; undefined for any other body. */
  readonly error: string | undefined;
}

export interface EventCheckOptions {
  readonly registries: readonly Registry[];
  /** Posts nothing of worth to a URL. @throws Error with the reason when there is no answer */
  readonly knock: (url: URL) => Promise<DoorAnswer>;
}

// A token has 43 characters; this is none, so a receiver answers before it reads anything.
const noToken = 'doctor';
const noSource =
  'Without any, images are signed when a worker compares the registry with the rules: every AUTOSIGN_RECONCILE_INTERVAL.';

/** Whether pushes reach the receiver: from here, which tells of DNS, certificate and route, not of ACR's own network. */
export function eventChecks({ registries, knock }: EventCheckOptions): readonly Check[] {
  return registries.map((registry) => ({
    area: 'events',
    subject: registry.name,
    run: async () => {
      const { webhook, eventBridge } = registry;
      if (webhook === undefined && eventBridge === undefined) {
        return [warning('it has neither webhook nor eventBridge', `Name one in the rules file. ${noSource}`)];
      }
      const verdicts: Verdict[] = [];
      if (eventBridge !== undefined) verdicts.push(await doorVerdict(new URL(eventBridge.url), knock));
      const base = webhook?.trigger?.url;
      if (base !== undefined) verdicts.push(await doorVerdict(webhookUrl(base, registry.name), knock));
      else if (webhook !== undefined) verdicts.push(addressUnknown);
      return verdicts;
    },
  }));
}

const addressUnknown = warning(
  'the webhook is on, and the rules file does not say at which address',
  'Name it in webhook.url: this command looks at it, and "autosign triggers sync" sets the triggers.',
);

function webhookUrl(base: string, registry: string): URL {
  return new URL(`${base.replace(/\/$/, '')}/webhooks/acr/${registry}/${noToken}`);
}

async function doorVerdict(url: URL, knock: EventCheckOptions['knock']): Promise<Verdict> {
  const where = `${url.origin}${url.pathname.replace(noToken, '…')}`;
  const next = 'See DNS, certificate, ingress and that "autosign serve" runs: ACR calls https on port 443 only.';
  let answer: DoorAnswer;
  try {
    answer = await knock(url);
  } catch (error) {
    return failure(`${where} does not answer (${error instanceof Error ? error.message : String(error)})`, next);
  }
  // Only our receiver turns a caller away in these words.
  const isOurs = (answer.status === 401 || answer.status === 429) && /token/.test(answer.error ?? '');
  return isOurs
    ? ok(`${where} is our receiver, as seen from here`)
    : failure(`${where} answers ${answer.status}, and not as our receiver does`, next);
}
