import type { z } from 'zod';
import { type FieldPath, formatField, type Problem } from './problem.ts';
import type { Origin } from './rule-set.ts';
import type {
  DefaultsEntry,
  DenyFileEntry,
  KeyEntry,
  QuotaFileEntry,
  RegistryEntry,
  RuleEntry,
} from './rules-file-schema.ts';
import type { YamlDocument } from './yaml-document.ts';

/** A place in a file. */
export interface Place {
  readonly document: YamlDocument;
  readonly path: FieldPath;
}

/** A part of a rules file that its schema accepts, and where it stands. */
export interface Entry<T> extends Place {
  readonly value: T;
}

/** The parts of all files that can be looked at further, whatever is wrong beside them. */
export interface Entries {
  readonly defaults: Entry<DefaultsEntry>;
  readonly registries: readonly Entry<RegistryEntry>[];
  readonly keys: readonly Entry<KeyEntry>[];
  readonly rules: readonly Entry<RuleEntry>[];
  readonly quotas: readonly Entry<QuotaFileEntry>[];
  readonly deny: readonly Entry<DenyFileEntry>[];
  /** Names that stand in the file, also of entries with faults: a rule that names one is not wrong for that. */
  readonly registryNames: ReadonlySet<string>;
  readonly keyNames: ReadonlySet<string>;
}

/** The place of a field below `place`. */
export function below(place: Place, ...path: FieldPath): Place {
  return { document: place.document, path: [...place.path, ...path] };
}

export function problemAt(place: Place, message: string): Problem {
  return { ...originOf(place), field: formatField(place.path), message };
}

export function originOf(place: Place): Origin {
  return { file: place.document.file, line: place.document.lineOf(place.path) };
}

/** The items of the list `field` that `schema` accepts; what it does not accept is reported with the whole file. */
export function collectEntries<T>(document: YamlDocument, field: string, schema: z.ZodType<T>): readonly Entry<T>[] {
  return listAt(document, field).flatMap((item, index) => {
    const result = schema.safeParse(item);
    return result.success ? [{ document, path: [field, index], value: result.data }] : [];
  });
}

/** Every `name` of the list `field`. */
export function collectNames(document: YamlDocument, field: string): ReadonlySet<string> {
  return new Set(
    listAt(document, field).flatMap((item) => {
      const name = fieldOf(item, 'name');
      return typeof name === 'string' ? [name] : [];
    }),
  );
}

/** `value[field]`, whatever `value` is. */
export function fieldOf(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[field];
}

function listAt(document: YamlDocument, field: string): readonly unknown[] {
  const list = fieldOf(document.value, field);
  return Array.isArray(list) ? list : [];
}
