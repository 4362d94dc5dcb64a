import { z } from 'zod';

/** RFC 3339 in UTC to the second: the Notary Project allows no fraction of a second. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** RFC 3339; fractions and offsets, which verifiers take too, are read. */
export const timeSchema = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
