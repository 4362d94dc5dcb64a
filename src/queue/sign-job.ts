import { z } from 'zod';
import { isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { isRepository, isTag } from '../domain/image-reference.ts';
import { registryNamePattern } from '../domain/registry-name.ts';

const timestamp = z.iso.datetime();

const SignCause = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('push'),
    /** What the event said was pushed: a hint, compared with what the tag points at. */
    eventDigest: z.custom<`sha256:${string}`>(isDigest, 'expected a sha256 digest').optional(),
    receivedAt: timestamp,
  }),
  z.strictObject({ kind: z.literal('backfill'), requestedAt: timestamp }),
  /** A comparison of the registry with the rules found a signature missing. */
  z.strictObject({ kind: z.literal('reconcile'), requestedAt: timestamp }),
  z.strictObject({ kind: z.literal('operator'), requestedAt: timestamp }),
]);

/**
 * What is queued: coordinates only. Nothing in it can make a worker sign what its own rules and the registry do not
 * call for. `version` lets a worker refuse a job that a newer release queued.
 */
export const SignJob = z.strictObject({
  version: z.literal(1),
  /** The name of a configured registry, not a host. */
  registry: z.string().regex(registryNamePattern, 'expected the name of a registry'),
  repository: z.string().refine(isRepository, 'expected a repository name of at most 255 characters'),
  tag: z.string().refine(isTag, 'expected a tag'),
  /** Live pushes go first; a backfill never makes one wait. */
  lane: z.enum(['push', 'backfill']),
  cause: SignCause,
});
export type SignJob = Readonly<z.infer<typeof SignJob>>;

// Messages are logged and kept in Redis, and the names of unknown fields, which they quote, may be of any length.
const problemsLengthMax = 500;

/**
 * Reads the data of a queued job, believing nothing.
 * @throws AutosignError `job-invalid`, naming the fields that are wrong. Without a cause: zod's error quotes without end
 */
export function parseSignJob(data: unknown): SignJob {
  const parsed = SignJob.safeParse(data, { error: ({ input }) => (input === undefined ? 'is missing' : undefined) });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'job'}: ${issue.message}`).join('; ');
  const shown = problems.length > problemsLengthMax ? `${problems.slice(0, problemsLengthMax)}…` : problems;
  throw new AutosignError(
    'job-invalid',
    `The job is not one of this version: ${shown}. Was it queued by another release?`,
  );
}
