import { createHash } from 'node:crypto';

/** The SHA-256 of `bytes` as a registry writes it: `sha256:` and lower-case hex. */
export function digestText(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
