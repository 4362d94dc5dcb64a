import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type UnsignedExistingOptions, unsignedExisting } from '../backfill/unsigned-existing.ts';
import type { Logger } from '../observability/logger.ts';

export interface ExistingReportOptions extends UnsignedExistingOptions {
  readonly stateDir: string;
  readonly logger: Logger;
}

/**
 * Lists what stood before a rule and is not signed in `existing-<rule>-<registry>.jsonl`: one JSON object a line. The
 * file is written as a whole, also when it is empty: an older list would look like a true one.
 */
export async function reportExisting({ stateDir, logger, ...options }: ExistingReportOptions): Promise<void> {
  const { rule, access } = options;
  const registry = access.registry.name;
  const images = await Array.fromAsync(unsignedExisting(options));
  const lines = images.map((image) => `${JSON.stringify({ registry, ...image })}\n`).sort();
  const file = join(stateDir, `existing-${rule.name}-${registry}.jsonl`);
  await mkdir(stateDir, { recursive: true });
  // Two workers may share the directory.
  const written = `${file}.${randomUUID()}.tmp`;
  await writeFile(written, lines.join(''));
  await rename(written, file);
  if (lines.length === 0) return;
  logger.warn(
    { rule: rule.name, registry, images: lines.length, file },
    'these images stood before the rule and are not signed',
  );
}
