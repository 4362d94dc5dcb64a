import { z } from 'zod';
import { type Digest, isDigest } from '../domain/digest.ts';

// Single values as Container Registry's OpenAPI answers them. Counts and times are numbers in some actions and strings
// in others, and in the generated SDKs they change from one release to the next.

/** A count. */
export const count = z.coerce.number().int().nonnegative();

/** A text that may be left out or null; then it is empty. */
export const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

/** A switch, off when it is left out. */
export const flag = z
  .union([z.boolean(), z.stringbool()])
  .nullish()
  .transform((value) => value ?? false);

/** Before the first release of Docker: no time of an image. */
const earliestMs = Date.UTC(2013, 0, 1);
const latestMs = Date.UTC(2200, 0, 1);

/** Milliseconds since 1970; undefined for what is no such time, as one without a zone. */
export const time = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d{1,16}$/)
      .transform(Number),
  ])
  .nullish()
  .catch(undefined)
  .transform((ms) => (ms != null && ms >= earliestMs && ms < latestMs ? new Date(ms) : undefined));

/** With the prefix that this API leaves out; undefined for what is no sha256 digest. */
export const digest = z
  .string()
  .nullish()
  .transform((value): Digest | undefined => {
    const full = value?.startsWith('sha256:') ? value : `sha256:${value}`;
    return isDigest(full) ? full : undefined;
  });
