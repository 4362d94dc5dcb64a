import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { FieldPath, Problem } from './problem.ts';

/** A YAML file that was read: its value, and where in it each field stands. */
export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** The line of the field, or of the innermost thing around it that is there; counts from 1. */
  lineOf(path: FieldPath): number;
}

/** A file may repeat a value by an alias; a handful of aliases of aliases would fill the memory. */
const aliasCountMax = 100;

/** Reads YAML 1.2; a key that stands twice is an error. Answers all problems instead when it is not sound. */
export function parseYaml(file: string, bytes: Uint8Array): YamlDocument | { readonly problems: readonly Problem[] } {
  const fail = (line: number, message: string): { readonly problems: readonly Problem[] } => ({
    problems: [{ file, line, field: '', message }],
  });
  const lines = new LineCounter();
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    const faults = [
      ...[...document.errors, ...document.warnings].map(({ pos, message }) => ({ offset: pos[0], message })),
      ...findLooseAliases(document),
    ];
    if (faults.length > 0) {
      return {
        problems: faults.map(({ offset, message }) => ({
          file,
          line: lines.linePos(offset).line,
          field: '',
          message: `is not sound YAML: ${message}; correct the line`,
        })),
      };
    }
    const value: unknown = document.toJS({ maxAliasCount: aliasCountMax });
    return { file, value, lineOf: (path) => lineOf(document, lines, path) };
  } catch (error) {
    // A TypeError from bytes that are not UTF-8, a ReferenceError from too many aliases, a RangeError from nesting.
    return fail(1, `cannot be read as YAML: ${(error as Error).message}; write plain YAML in UTF-8`);
  }
}

/** Aliases without an anchor before them; the library tells of them only later, and without their place. */
function findLooseAliases(document: Document): readonly { readonly offset: number; readonly message: string }[] {
  const anchors = new Set<string>();
  const loose: { readonly offset: number; readonly message: string }[] = [];
  visit(document, (_, node) => {
    if (isAlias(node)) {
      if (!anchors.has(node.source))
        loose.push({ offset: node.range?.[0] ?? 0, message: 'an alias has no anchor before it' });
    } else if (isNode(node) && node.anchor !== undefined) anchors.add(node.anchor);
  });
  return loose;
}

function lineOf(document: Document, lines: LineCounter, path: FieldPath): number {
  let node: Node | undefined = resolveAlias(document, document.contents);
  let offset = node?.range?.[0] ?? 0;
  for (const part of path) {
    const place = childOf(node, part);
    if (place === undefined) break;
    offset = place.offset ?? offset;
    node = resolveAlias(document, place.value);
  }
  return lines.linePos(offset).line;
}

/** The value below `part`, and where it begins: at its key in a map, at itself in a list. */
function childOf(
  node: Node | undefined,
  part: string | number,
): { readonly offset: number | undefined; readonly value: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === String(part));
    return pair && { offset: isNode(pair.key) ? pair.key.range?.[0] : undefined, value: pair.value };
  }
  if (isSeq(node) && typeof part === 'number') {
    const item = node.items[part];
    return isNode(item) ? { offset: item.range?.[0], value: item } : undefined;
  }
  return undefined;
}

function resolveAlias(document: Document, value: unknown): Node | undefined {
  if (isAlias(value)) return value.resolve(document);
  return isNode(value) ? value : undefined;
}
