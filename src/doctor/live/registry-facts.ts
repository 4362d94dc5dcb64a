import { cosignTagOf } from '../../registry/cosign-tag.ts';
import { fallbackTag } from '../../registry/fallback-index.ts';
import { type Fact, fact } from './fact.ts';
import type { Observed } from './observed.ts';
import { showLeaf } from './show-value.ts';

const notReached = 'not looked at: the run ended before';

/** What was seen of the registry itself. */
export function registryFacts(observed: Observed): readonly Fact[] {
  const { listing, signatures, catalog, deletion, signatureOutlivesImage } = observed;
  const [, second] = signatures;
  return [
    fact('oci-subject', 'Does the registry answer OCI-Subject to the push of a referrer?', ociSubject(observed)),
    fact(
      'referrers-api',
      'Does it have the referrers API, and list the signature there?',
      listing === undefined ? notReached : apiText(listing.byApi, observed),
    ),
    fact(
      'signature-tags',
      'Which signature tags stand after the pushes?',
      listing === undefined ? notReached : tagsText(observed),
    ),
    fact(
      'second-signature',
      'Does an image that is signed take a second signature?',
      signatures.length < 2 ? notReached : (second ?? 'yes, and it was found and verified'),
    ),
    fact('catalog', 'Does the login get the list of all repositories (/v2/_catalog)?', catalog ?? notReached),
    fact('delete', 'Does the registry take the deletion of a manifest by digest?', deletion ?? notReached),
    fact(
      'signature-after-image',
      'Is a signature still there by digest right after its image was deleted?',
      signatureOutlivesImage === undefined ? notReached : signatureOutlivesImage ? 'yes' : 'no',
    ),
  ];
}

function ociSubject({ puts, image, untagged, signatures }: Observed): string {
  if (signatures.length === 0) return notReached;
  const referrers = puts.filter(
    ({ reference, digest, answer }) => answer && reference === digest && digest !== untagged,
  );
  if (referrers.some(({ answer }) => answer?.ociSubject === image)) return 'yes';
  return referrers.length === 0 ? 'no referrer was pushed (the rule wants cosign alone)' : 'no';
}

function apiText(byApi: readonly string[] | undefined, { puts }: Observed): string {
  if (byApi === undefined) return 'there is no such API';
  const ours = byApi.filter((digest) => puts.some((put) => put.digest === digest));
  return `there is one, and it lists ${ours.length} of ours`;
}

function tagsText({ listing, image }: Observed): string {
  if (image === undefined) return notReached;
  const fallback = listing?.byFallbackTag;
  const tags = [
    ...(fallback === undefined ? [] : [`sha256-<hex> with ${fallback.length} entries`]),
    ...(listing?.byCosignTag ? ['sha256-<hex>.sig'] : []),
  ];
  return tags.length === 0 ? 'none' : tags.join(', ');
}

/** What was seen of the instance by ACR's OpenAPI. */
export function instanceFacts(observed: Observed): readonly Fact[] {
  const { tagList, triggerTypes, triedTriggers, tagsAreImmutable, registry, tag } = observed;
  const entry = tagList?.images.find(({ Tag }) => Tag === tag);
  const withEntry = (answer: (entry: Readonly<Record<string, unknown>>) => string) =>
    tagList === undefined ? notReached : entry === undefined ? 'the list does not hold the tag' : answer(entry);
  const leaves = Object.entries(entry ?? {}).map(([path, value]) => ({ path, value }));
  const tried = triedTriggers.map(({ type, outcome }) => `${type}: ${outcome}`);
  const standing = triggerTypes === undefined ? notReached : `standing ones have ${triggerTypes.join(', ') || 'none'}`;
  const endpoint = registry.acr?.endpoint ?? '';
  return [
    fact(
      'tag-list-digest',
      'How does ListRepoTag write the digest?',
      withEntry(({ Digest }) => digestText(Digest)),
    ),
    fact(
      'image-update',
      'Is ImageUpdate of ListRepoTag the time of the push?',
      withEntry(({ ImageUpdate }) => updateText(ImageUpdate, observed)),
      leaves.map((leaf) => showLeaf(leaf, observed)),
    ),
    fact(
      'tag-count',
      'What does TotalCount of ListRepoTag count, and does it list signature tags?',
      tagList === undefined ? notReached : countText(observed),
    ),
    fact(
      'tag-immutability',
      'Are the tags of the scratch repository immutable?',
      tagsAreImmutable === undefined ? notReached : tagsAreImmutable ? 'yes' : 'no',
    ),
    fact(
      'trigger-types',
      'Which type has a trigger with a list of tags: TAG_LIST or TAG_LISTTAG?',
      tried.length > 0 ? tried.join('; ') : `not tried (--triggers does); ${standing}`,
    ),
    fact(
      'cr-vpc',
      'Does cr-vpc.<region> serve the OpenAPI?',
      endpoint.startsWith('cr-vpc.')
        ? tagList === undefined
          ? 'it is configured, and ListRepoTag got no answer by it'
          : 'yes: this run used it'
        : 'not looked at: the rules file does not name it in acr.endpoint',
    ),
  ];
}

function digestText(digest: unknown): string {
  if (typeof digest !== 'string') return 'it has none';
  return digest.startsWith('sha256:') ? 'with "sha256:"' : 'without "sha256:"';
}

function updateText(update: unknown, { puts, tag }: Observed): string {
  const pushedAt = puts.find(({ reference }) => reference === tag)?.answer?.at;
  const ms = Number(update);
  if (pushedAt === undefined || !Number.isFinite(ms) || ms === 0) return `it is no number (${typeof update})`;
  const seconds = (ms - pushedAt.getTime()) / 1_000;
  return `${seconds.toFixed(1)} s after the push, by its clock and that of this machine; a ${typeof update}`;
}

function countText({ tagList, image, puts }: Observed): string {
  const names = new Set(tagList?.images.map(({ Tag }) => Tag));
  const lists = image === undefined ? [] : [fallbackTag(image), cosignTagOf(image)];
  const pushed = puts.some(({ reference, answer }) => answer !== undefined && lists.includes(reference));
  const listed = lists.some((name) => names.has(name));
  const signature = pushed
    ? `a signature tag was pushed and is ${listed ? '' : 'not '}listed`
    : 'no signature tag was pushed';
  return `TotalCount ${Number(tagList?.total)} (a ${typeof tagList?.total}), ${names.size} entries on the first page; ${signature}`;
}

/** What no run like this can see; so that a report says of every open question how it stands. */
export function untouchedFacts(): readonly Fact[] {
  const notProvoked = 'not provoked';
  return [
    fact(
      'webhook-retries',
      'Is a webhook sent again when the receiver fails, after which time-out?',
      `${notProvoked}: the receiver answered all`,
    ),
    fact(
      'event-target',
      'Which statuses of an HTTP target count as success, after which time-out is it tried again?',
      `${notProvoked}: the receiver answered 202`,
    ),
    fact(
      'throttling',
      'Which HTTP status and rate has throttling of KMS, of the OpenAPI and of the registry?',
      notProvoked,
    ),
    fact('rsa-4096', 'Does the OpenAPI sign with RSA_4096?', 'not looked at: no rule can use such a key'),
    fact(
      'replication',
      'Do referrers come along when an instance copies an image to another one?',
      'not looked at: "autosign verify" at the other instance tells',
    ),
    fact(
      'clean-up',
      'Do lifecycle rules delete signatures that have no tag?',
      'not looked at: such rules run for hours',
    ),
    fact(
      'own-signing',
      "How does ACR's own signing store what kritis-validation-hook reads?",
      'not looked at: no API of it is published',
    ),
  ];
}
