import { resolve } from 'node:path';
import type { z } from 'zod';
import { sha256Hex } from '../domain/digest.ts';
import { checkEntries } from './check-entries.ts';
import { collectEntries, collectNames, type Entries, fieldOf, problemAt } from './entry.ts';
import { diskAccess, type FileAccess } from './file-access.ts';
import { findIncludedFiles } from './find-included-files.ts';
import { type Problem, rulesInvalid } from './problem.ts';
import { quotaSchema } from './quota-schema.ts';
import { resolveEntries } from './resolve-rule-set.ts';
import type { RuleSet } from './rule-set.ts';
import {
  defaultsSchema,
  denySchema,
  includedFileSchema,
  keySchema,
  registrySchema,
  ruleSchema,
  rulesFileSchema,
} from './rules-file-schema.ts';
import { findSchemaProblems } from './schema-problems.ts';
import { parseYaml, type YamlDocument } from './yaml-document.ts';

/** A ConfigMap holds no more than 1 MiB, and nobody reads a longer file of rules. */
const defaultFileBytesMax = 1_048_576;

export interface LoadRuleSetOptions {
  /** The disk, when absent. */
  readonly access?: FileAccess | undefined;
  /** For each file; 1 MiB when absent. */
  readonly fileBytesMax?: number | undefined;
}

/**
 * Reads the rules file and what it includes.
 * @throws AutosignError `rules-invalid` with every problem of all files, one line each: `file:line: field: what is
 *   wrong; what to do`
 */
export async function loadRuleSet(file: string, options: LoadRuleSetOptions = {}): Promise<RuleSet> {
  const result = await readRuleSet(file, options);
  if ('problems' in result) throw rulesInvalid(result.problems);
  return result.ruleSet;
}

/** As `loadRuleSet`, with the problems as values, in the order of the files and lines. */
export async function readRuleSet(
  file: string,
  options: LoadRuleSetOptions = {},
): Promise<{ readonly ruleSet: RuleSet } | { readonly problems: readonly Problem[] }> {
  const read = await readDocuments(file, options);
  const [main, ...included] = read.documents;
  if (main === undefined) return { problems: read.problems };
  const entries = collectAll(
    main.document,
    included.map(({ document }) => document),
  );
  const problems = [...read.problems, ...checkEntries(entries)];
  if (problems.length > 0) return { problems: inFileOrder(problems, read.documents) };
  return {
    ruleSet: {
      ...resolveEntries(entries),
      files: read.documents.map(({ document }) => resolve(document.file)),
      // Each file is hashed by itself first, so that moving a line from one file to the next is a change.
      hash: sha256Hex(read.documents.map(({ bytes }) => sha256Hex(bytes)).join('\n')),
    },
  };
}

interface ReadDocument {
  readonly document: YamlDocument;
  readonly bytes: Uint8Array;
}

/** The files that are sound YAML, the main file first, and what is wrong with them and the others. */
async function readDocuments(
  file: string,
  options: LoadRuleSetOptions,
): Promise<{ readonly documents: readonly ReadDocument[]; readonly problems: readonly Problem[] }> {
  const main = await readDocument(file, rulesFileSchema, options);
  if (main.read === undefined) return { documents: [], problems: main.problems };
  const documents = [main.read];
  const problems = [...main.problems];
  const found = await findIncludedFiles(
    main.read.document,
    includeList(main.read.document),
    options.access ?? diskAccess,
  );
  problems.push(...found.problems);
  for (const { file: path, index } of found.files) {
    const place = { document: main.read.document, path: ['include', index] };
    const included = await readDocument(path, includedFileSchema, options, (message) => problemAt(place, message));
    if (included.read !== undefined) documents.push(included.read);
    problems.push(...included.problems);
  }
  return { documents, problems };
}

async function readDocument(
  file: string,
  schema: z.ZodType,
  options: LoadRuleSetOptions,
  unreadable: (message: string) => Problem = (message) => ({ file, line: 1, field: '', message }),
): Promise<{ readonly read: ReadDocument | undefined; readonly problems: readonly Problem[] }> {
  const bytesMax = options.fileBytesMax ?? defaultFileBytesMax;
  let bytes: Uint8Array;
  try {
    bytes = await (options.access ?? diskAccess).readFile(file, bytesMax);
  } catch (error) {
    return {
      read: undefined,
      problems: [unreadable(`${file} cannot be read: ${(error as Error).message}; check the path and its permissions`)],
    };
  }
  if (bytes.length > bytesMax) {
    const message = `is larger than ${bytesMax} bytes; split it by include`;
    return { read: undefined, problems: [{ file, line: 1, field: '', message }] };
  }
  const document = parseYaml(file, bytes);
  if ('problems' in document) return { read: undefined, problems: document.problems };
  return { read: { document, bytes }, problems: findSchemaProblems(document, schema) };
}

function includeList(main: YamlDocument): readonly string[] {
  const list = fieldOf(main.value, 'include');
  return Array.isArray(list) && list.every((item) => typeof item === 'string' && item !== '') ? list : [];
}

function collectAll(main: YamlDocument, included: readonly YamlDocument[]): Entries {
  const defaults = defaultsSchema.safeParse(fieldOf(main.value, 'defaults'));
  return {
    defaults: { document: main, path: ['defaults'], value: defaults.success ? defaults.data : {} },
    registries: collectEntries(main, 'registries', registrySchema),
    keys: collectEntries(main, 'keys', keySchema),
    rules: [main, ...included].flatMap((document) => collectEntries(document, 'rules', ruleSchema)),
    quotas: collectEntries(main, 'quotas', quotaSchema),
    deny: collectEntries(main, 'deny', denySchema),
    registryNames: collectNames(main, 'registries'),
    keyNames: collectNames(main, 'keys'),
  };
}

function inFileOrder(problems: readonly Problem[], documents: readonly ReadDocument[]): readonly Problem[] {
  const order = new Map(documents.map(({ document }, index) => [document.file, index]));
  const rank = ({ file }: Problem): number => order.get(file) ?? documents.length;
  return problems.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line);
}
