import type { z } from 'zod';
import { AutosignError } from '../domain/errors.ts';

/** Deeper than any signature, and far below the depth at which readers differ (Go's encoding/json stops at 10,000). */
const depthMax = 32;

/** The refusal of something that is not a signature of the format asked for. */
export function notASignature(reason: string, cause?: unknown): AutosignError {
  return new AutosignError('manifest-invalid', `not a signature that can be read: ${reason}`, { cause });
}

/**
 * Reads one JSON object that others may have written, so that every verifier reads the same in it: strict UTF-8, bounded
 * depth, and no two spellings of one name, as Go's encoding/json matches names without regard to case.
 * @param what names the part for messages
 * @throws AutosignError `manifest-invalid`
 */
export function readJson<T>(bytes: Uint8Array, what: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw notASignature(`the ${what} is no JSON`, cause);
  }
  checkNames(value, what, depthMax);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw notASignature(`the ${what}, at "${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'malformed'}`);
}

/** Refuses an object with two names that differ only in case, at any depth, and a depth above the limit. */
function checkNames(value: unknown, what: string, depthLeft: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) throw notASignature(`the ${what} is nested deeper than ${depthMax} levels`);
  if (!Array.isArray(value)) {
    const names = Object.keys(value);
    if (new Set(names.map(foldCase)).size < names.length) {
      throw notASignature(`the ${what} has two names that differ only in case, so readers would disagree about it`);
    }
  }
  for (const child of Object.values(value)) checkNames(child, what, depthLeft - 1);
}

/** Upper case first: it turns the long s into S, which Go folds too. */
function foldCase(name: string): string {
  return name.toUpperCase().toLowerCase();
}
