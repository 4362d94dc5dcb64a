import { z } from 'zod';
import { isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { isRepository, isTag } from '../domain/image-reference.ts';
import type { PushEvent } from '../domain/push-event.ts';
import type { EventBridgeSource } from '../rules/rule-set.ts';

/** The parts of a CloudEvent that say whose it is and what it is about; EventBridge adds those named `aliyun…` itself. */
const Envelope = z.object({
  id: z.string().min(1).max(256),
  source: z.string(),
  type: z.string(),
  aliyunaccountid: z.string(),
  aliyunregionid: z.string(),
  data: z.unknown().optional(),
});

/** Whole and unchanged, as the target's setting "complete event" sends it. */
export type EventBridgeEvent = Readonly<z.infer<typeof Envelope>>;

/** What an event of the registry's own account comes to. */
export type EventReading =
  | { readonly kind: 'push'; readonly event: PushEvent }
  /** Not about a push to this registry. */
  | { readonly kind: 'other'; readonly reason: string }
  /** It may be about a push to this registry; the image is not in it. */
  | { readonly kind: 'unreadable'; readonly reason: string };

const source = 'acs.cr';
const pushTypes: readonly string[] = ['cr:Artifact:PushCompleted', 'cr:Artifact:SynchronizationCompleted'];

/**
 * Reads the body of a delivery whose signature fits.
 * @throws AutosignError `event-invalid`, naming every field that is wrong, never its value
 */
export function parseEventBridgeEvent(body: Uint8Array): EventBridgeEvent {
  const parsed = Envelope.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new AutosignError('event-invalid', problems.join('; '), { cause: parsed.error });
}

/**
 * What an event of the right account says to this registry. Of `data` only those names are expected that ACR documents
 * for its other events: the page shows none of a push.
 * https://www.alibabacloud.com/help/en/eventbridge/user-guide/container-registry-events
 */
export function readEvent(event: EventBridgeEvent, { instanceId, region }: EventBridgeSource): EventReading {
  if (event.source !== source) return { kind: 'other', reason: `the source of the event is not ${source}` };
  if (!pushTypes.includes(event.type)) return { kind: 'other', reason: `the type is not ${pushTypes.join(' or ')}` };
  if (event.aliyunregionid !== region) return { kind: 'other', reason: `the event is not of region ${region}` };
  const data = DataOfInstance.safeParse(event.data);
  if (!data.success) return unreadable(data.error);
  if (data.data.InstanceId !== instanceId) return { kind: 'other', reason: `the event is not of ${instanceId}` };
  if ((data.data.RegionId ?? region) !== region) return { kind: 'other', reason: `the image is not in ${region}` };
  if (UntaggedImage.safeParse(event.data).success) return { kind: 'other', reason: 'what is pushed has no tag' };
  const image = DataOfImage.safeParse(event.data);
  return image.success ? { kind: 'push', event: image.data } : unreadable(image.error);
}

const DataOfInstance = z.object({ InstanceId: z.string(), RegionId: z.string().nullish() });

const isWholeName = ({ RepoNamespaceName, RepoName }: { RepoNamespaceName: string; RepoName: string }) =>
  isRepository(`${RepoNamespaceName}/${RepoName}`);

/** A push by digest alone, as of a referrer or a platform of an index: rules are about tags, so it needs no signature. */
const UntaggedImage = z
  .object({ RepoNamespaceName: z.string(), RepoName: z.string(), Tag: z.literal('') })
  .refine(isWholeName);

const DataOfImage = z
  .object({
    RepoNamespaceName: z.string(),
    RepoName: z.string(),
    Tag: z.string().refine(isTag, 'is not a tag'),
    Digest: z.unknown().optional(),
  })
  .transform(({ RepoNamespaceName, RepoName, Tag, Digest }, context): PushEvent => {
    const repository = `${RepoNamespaceName}/${RepoName}`;
    if (!isRepository(repository)) {
      context.addIssue({ code: 'custom', path: ['RepoName'], message: 'is not a repository' });
      return z.NEVER;
    }
    return { repository, tag: Tag, digest: readDigest(Digest) };
  });

/** A hint that nobody documents: what is no digest is no reason to lose the push. */
function readDigest(value: unknown): PushEvent['digest'] {
  const digest = typeof value !== 'string' || value.includes(':') ? value : `sha256:${value}`;
  return isDigest(digest) ? digest : undefined;
}

function unreadable(error: z.ZodError): EventReading {
  const fields = new Set(error.issues.map(({ path }) => ['data', ...path].join('.')));
  return { kind: 'unreadable', reason: `these fields are missing or wrong: ${[...fields].join(', ')}` };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new AutosignError('event-invalid', 'body: expected JSON', { cause });
  }
}
