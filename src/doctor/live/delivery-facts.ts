import type { CapturedDelivery } from '../../ports/delivery-capture.ts';
import { type Fact, fact } from './fact.ts';
import type { Observed } from './observed.ts';
import { isTime, leavesOf, showLeaf } from './show-value.ts';
import { type Cause, type SortedDelivery, sortDeliveries } from './sort-deliveries.ts';

type Door = CapturedDelivery['door'];

const prefixOf: Record<Door, string> = { acr: 'webhook', 'event-bridge': 'event' };
const nameOf: Record<Door, string> = { acr: 'the webhook', 'event-bridge': 'the event of EventBridge' };
/** https://www.alibabacloud.com/help/doc-detail/60949.htm */
const documentedFields: readonly string[] = [
  ...['digest', 'pushed_at', 'tag'].map((name) => `push_data.${name}`),
  ...['date_created', 'name', 'namespace', 'region', 'repo_authentication_type', 'repo_full_name'].map(
    (name) => `repository.${name}`,
  ),
  ...['repo_origin_type', 'repo_type'].map((name) => `repository.${name}`),
];
const quarterMs = 15 * 60_000;

/** What was seen of ACR's webhook: nothing of this is documented for the Enterprise Edition. */
export function webhookFacts(observed: Observed): readonly Fact[] {
  const sorted = sortDeliveries(observed, 'acr');
  const [first] = ofCause(sorted, 'image');
  const leaves = first === undefined ? [] : leavesOf(first.body);
  const more = leaves.filter(({ path }) => !documentedFields.includes(path)).map(({ path }) => path);
  const found = more.length === 0 ? 'only the documented ones' : `beyond the documented ones: ${more.join(', ')}`;
  return [
    ...sharedFacts(observed, 'acr', sorted),
    fact(
      'webhook-fields',
      'Which fields has the webhook of an Enterprise Edition instance?',
      first === undefined ? notSeen(observed) : found,
      leaves.map((leaf) => showLeaf(leaf, observed)),
    ),
  ];
}

/** What was seen of `cr:Artifact:PushCompleted`, of which no example is documented. */
export function eventFacts(observed: Observed): readonly Fact[] {
  const sorted = sortDeliveries(observed, 'event-bridge');
  const [first] = ofCause(sorted, 'image');
  const leaves = first === undefined ? [] : leavesOf(first.body);
  const data = leaves.filter(({ path }) => path.startsWith('data.'));
  const names = data.map(({ path }) => path.slice('data.'.length)).join(', ');
  const form = first?.delivery.signedForm;
  return [
    ...sharedFacts(observed, 'event-bridge', sorted),
    fact(
      'event-data',
      'Which fields has the data of cr:Artifact:PushCompleted?',
      first === undefined ? notSeen(observed) : names,
      leaves.map((leaf) => showLeaf(leaf, observed)),
    ),
    fact(
      'event-signed-form',
      'Does the signature of an HTTP target end with the body, or with a line feed after it?',
      form === undefined ? notSeen(observed) : form === 'body' ? 'with the body' : 'with a line feed after the body',
    ),
  ];
}

function sharedFacts(observed: Observed, door: Door, sorted: readonly SortedDelivery[]): readonly Fact[] {
  const [prefix, name] = [prefixOf[door], nameOf[door]];
  const images = ofCause(sorted, 'image');
  const [first] = images;
  const seen = (answer: (delivery: SortedDelivery) => string) =>
    first === undefined ? notSeen(observed) : answer(first);
  return [
    fact(
      `${prefix}-latency`,
      `How long after a push does ${name} come?`,
      seen((one) => latency(one, observed)),
    ),
    fact(`${prefix}-sender`, `From where, and as what, does ${name} come?`, seen(senderOf), headersOf(first)),
    fact(
      `${prefix}-digest`,
      `How does ${name} write the digest?`,
      seen((one) => digestForm(one, observed)),
    ),
    fact(
      `${prefix}-times`,
      `In which zone are the times of ${name}?`,
      seen((one) => zones(one, observed)),
    ),
    fact(
      `${prefix}-repeats`,
      `Does ${name} come more than once for one push?`,
      seen(() => repeats(images)),
    ),
    caused('untagged', 'a push by digest alone, as of the parts of an index, cause it', 'untagged image'),
    caused('signature', 'the push of a signature by digest (a referrer) cause it', 'signature'),
    caused('signature-tag', 'the push of a signature tag cause it', 'signature tag'),
  ];

  function caused(id: string, question: string, cause: Cause): Fact {
    const of = ofCause(sorted, cause);
    const observedText = wasDone(observed, cause) ? howOften(of, first, observed) : 'nothing of the kind was pushed';
    return fact(`${prefix}-of-${id}`, `${name[0]?.toUpperCase()}${name.slice(1)}: does ${question}?`, observedText);
  }
}

function ofCause(sorted: readonly SortedDelivery[], cause: Cause): readonly SortedDelivery[] {
  return sorted.filter((one) => one.cause === cause);
}

function notSeen({ waitSeconds }: Observed): string {
  return `not seen within ${waitSeconds} s`;
}

function wasDone({ image, untagged, puts }: Observed, cause: Cause): boolean {
  const isOurs = (digest: string) => digest === image || digest === untagged;
  if (cause === 'untagged image') return untagged !== undefined;
  const isList = (reference: string) => /^sha256-/.test(reference);
  if (cause === 'signature tag') return puts.some(({ reference, answer }) => answer && isList(reference));
  return puts.some(({ reference, digest, answer }) => answer && reference === digest && !isOurs(digest));
}

/** Silence tells only where the push with a tag was heard of. */
function howOften(of: readonly SortedDelivery[], first: SortedDelivery | undefined, observed: Observed): string {
  if (of.length > 0) return `yes, ${of.length} came`;
  return first === undefined ? notSeen(observed) : `no, none came within ${observed.waitSeconds} s`;
}

function latency({ delivery }: SortedDelivery, observed: Observed): string {
  const pushedAt = pushTime(observed);
  if (pushedAt === undefined) return 'the time of the push is not known';
  const seconds = (Date.parse(delivery.arrivedAt) - pushedAt.getTime()) / 1_000;
  return `${seconds.toFixed(1)} s, by the clocks of the receiver and of this machine`;
}

function pushTime({ puts, tag }: Observed): Date | undefined {
  return puts.find(({ reference }) => reference === tag)?.answer?.at;
}

function senderOf({ delivery }: SortedDelivery): string {
  return `from ${delivery.from} with user-agent "${delivery.headers['user-agent'] ?? ''}" and content-type "${delivery.headers['content-type'] ?? ''}"`;
}

/** Names alone: values of headers that a proxy adds are the user's own. */
function headersOf(one: SortedDelivery | undefined): readonly string[] {
  return one === undefined ? [] : [`headers: ${Object.keys(one.delivery.headers).sort().join(', ')}`];
}

function digestForm({ body }: SortedDelivery, { image }: Observed): string {
  if (image === undefined) return 'nothing was pushed';
  const hex = image.slice('sha256:'.length);
  const leaf = leavesOf(body).find(({ value }) => value === image || value === hex);
  if (leaf === undefined) return 'it does not hold the digest';
  return `${leaf.path}, ${leaf.value === image ? 'with' : 'without'} "sha256:"`;
}

/** Of each time without a zone the one that it must be in to be the time of the push. */
function zones({ body }: SortedDelivery, observed: Observed): string {
  const pushedAt = pushTime(observed);
  const times = leavesOf(body).flatMap(({ path, value }) =>
    typeof value === 'string' && isTime(value) ? [{ path, text: value }] : [],
  );
  if (times.length === 0 || pushedAt === undefined) return 'it holds no time that could be read';
  return times.map(({ path, text }) => `${path}: ${zoneOf(text, pushedAt)}`).join('; ');
}

function zoneOf(text: string, pushedAt: Date): string {
  const zone = /(?:Z|[+-]\d{2}:?\d{2})$/.exec(text)?.[0];
  if (zone !== undefined) {
    const seconds = (Date.parse(text) - pushedAt.getTime()) / 1_000;
    return `says ${zone}, ${seconds.toFixed(1)} s after the push`;
  }
  const aheadMs = Date.parse(`${text.replace(' ', 'T')}Z`) - pushedAt.getTime();
  const quarters = Math.round(aheadMs / quarterMs);
  const restSeconds = (aheadMs - quarters * quarterMs) / 1_000;
  const hours = Math.abs(quarters) / 4;
  if (hours > 14) return 'is not the time of the push in any zone';
  return `says no zone, fits UTC${quarters < 0 ? '-' : '+'}${hours} (then ${restSeconds.toFixed(1)} s after the push)`;
}

/** Whether a failed delivery is sent again is another question, and needs a receiver that fails. */
function repeats(images: readonly SortedDelivery[]): string {
  const ids = new Set(
    images.flatMap(({ body }) => leavesOf(body).filter(({ path }) => path === 'id')).map((l) => l.value),
  );
  const withIds = ids.size === 0 ? '' : `, with ${ids.size} different id${ids.size === 1 ? '' : 's'}`;
  return images.length === 1 ? 'once' : `${images.length} times${withIds}`;
}
