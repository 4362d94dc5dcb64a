import type { z } from 'zod';
import { problemAt } from './entry.ts';
import { nearestName } from './nearest-name.ts';
import type { FieldPath, Problem } from './problem.ts';
import { includedFileSchema, rulesJsonSchema } from './rules-file-schema.ts';
import type { YamlDocument } from './yaml-document.ts';

/** What the schema has against a file, each with its line. No value is quoted: somebody may have put a password there. */
export function findSchemaProblems(document: YamlDocument, schema: z.ZodType): readonly Problem[] {
  const result = schema.safeParse(document.value);
  if (result.success) return [];
  const isIncluded = schema === includedFileSchema;
  return result.error.issues.flatMap((issue) => describeIssue(document, issue, isIncluded));
}

function describeIssue(document: YamlDocument, issue: z.core.$ZodIssue, isIncluded: boolean): readonly Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) =>
      problemAt({ document, path: [...path, key] }, describeUnknownKey(path, key, isIncluded)),
    );
  }
  return [problemAt({ document, path }, describeValue(valueAt(document.value, path), issue))];
}

function describeValue(value: unknown, issue: z.core.$ZodIssue): string {
  if (value === undefined) return 'is missing; add it';
  if (issue.code === 'invalid_type') return describeWrongType(issue.expected, value);
  if (issue.code === 'invalid_value') return `is not a known value; write ${issue.values.map(String).join(' or ')}`;
  return issue.message;
}

function describeUnknownKey(path: FieldPath, key: string, isIncluded: boolean): string {
  if (isIncluded && path.length === 0)
    return 'is refused in an included file, which holds rules only; move it to the main file';
  const known = knownKeys(path);
  const nearest = nearestName(key, known);
  const advice = nearest === undefined ? `known here are ${known.join(', ')}` : `did you mean "${nearest}"?`;
  return `is not a known key; ${advice}`;
}

function describeWrongType(expected: string, value: unknown): string {
  const actual = value === null ? 'empty' : Array.isArray(value) ? 'a list' : `a ${nounOf(typeof value)}`;
  const wanted = expected === 'array' ? 'a list' : `a ${nounOf(expected)}`;
  const quotes = expected === 'string' && (typeof value === 'number' || typeof value === 'boolean');
  return `is ${actual}, expected is ${wanted}; ${quotes ? 'put it in quotes' : `write ${wanted}`}`;
}

function nounOf(type: string): string {
  return type === 'object'
    ? 'map'
    : type === 'int'
      ? 'whole number'
      : type === 'string'
        ? 'text'
        : type === 'boolean'
          ? 'value true or false'
          : type;
}

/** The keys that the map at `path` may have, as the JSON schema tells them. */
function knownKeys(path: FieldPath): readonly string[] {
  let node: unknown = rulesJsonSchema();
  for (const part of path) {
    node = typeof part === 'number' ? valueAt(node, ['items']) : valueAt(node, ['properties', part]);
  }
  return Object.keys(valueAt(node, ['properties']) ?? {});
}

function valueAt(root: unknown, path: FieldPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}
