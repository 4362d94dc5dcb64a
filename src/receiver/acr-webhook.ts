import { z } from 'zod';
import { type Digest, isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { isRepository, isTag } from '../domain/image-reference.ts';
import type { PushEvent } from '../domain/push-event.ts';

// Absent, null and "" mean the same to senders that fill a fixed form.
const optionalText = z
  .string()
  .nullish()
  .transform((text) => text || undefined);

// ACR's APIs write digests with and without "sha256:".
const eventDigest = optionalText.transform((text, context): Digest | undefined => {
  if (text === undefined) return undefined;
  const digest = text.includes(':') ? text : `sha256:${text}`;
  if (isDigest(digest)) return digest;
  context.addIssue({ code: 'custom', message: 'expected a sha256 digest of 64 lower-case hex digits' });
  return z.NEVER;
});

/**
 * The parts of ACR's webhook body that name an image. Everything else, unknown keys and the times without a zone
 * included, is left alone. https://www.alibabacloud.com/help/doc-detail/60949.htm
 */
const AcrWebhookBody = z.object({
  push_data: z.object({
    tag: z.string().refine(isTag, 'expected a tag: at most 128 of A-Z a-z 0-9 _ . -, not beginning with . or -'),
    digest: eventDigest,
  }),
  repository: z
    .object({ namespace: optionalText, name: optionalText, repo_full_name: optionalText })
    .transform(({ namespace, name, repo_full_name: fullName }, context) => {
      // Enterprise Edition allows names of several levels, so `namespace` and `name` say more than the joined name.
      const joined = namespace !== undefined && name !== undefined;
      const path = joined ? `${namespace}/${name}` : fullName;
      if (path !== undefined && isRepository(path)) return path;
      const field = path === undefined || joined ? 'name' : 'repo_full_name';
      const message =
        path === undefined
          ? 'expected namespace and name, or repo_full_name'
          : 'expected a repository: lower-case letters and digits, joined by . _ - or /, at most 255 characters';
      context.addIssue({ code: 'custom', path: [field], message });
      return z.NEVER;
    }),
});

/**
 * Reads the body of an ACR trigger.
 * @throws AutosignError `event-invalid`, naming every field that is wrong (`push_data.tag: …`), never its value
 */
export function parseAcrWebhook(body: unknown): PushEvent {
  const parsed = AcrWebhookBody.safeParse(body, {
    error: ({ input }) => (input === undefined ? 'is missing' : undefined),
  });
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
    throw new AutosignError('event-invalid', problems.join('; '), { cause: parsed.error });
  }
  const { push_data: pushed, repository } = parsed.data;
  return { repository, tag: pushed.tag, digest: pushed.digest };
}
