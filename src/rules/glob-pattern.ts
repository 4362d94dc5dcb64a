/** No repository path is longer (255, see `isRepository`), and a tag ends at 128: a longer pattern matches nothing. */
const patternLengthMax = 255;

export type PatternKind = 'namespaces' | 'repositories' | 'tags';

const kinds = {
  namespaces: { noun: 'a namespace', letters: /[^a-z0-9._*-]/u, allowed: 'lower-case letters, digits, ".", "_", "-"' },
  repositories: {
    noun: 'a repository',
    letters: /[^a-z0-9._/*-]/u,
    allowed: 'lower-case letters, digits, ".", "_", "-", "/"',
  },
  tags: { noun: 'a tag', letters: /[^A-Za-z0-9._*-]/u, allowed: 'letters, digits, ".", "_", "-"' },
} as const;

/**
 * Why `pattern` is refused, with what to do, or undefined when it is sound. A pattern that can match nothing is
 * refused too: as an exclusion it would protect nothing, and nobody would notice.
 */
export function findPatternFault(kind: PatternKind, pattern: string): string | undefined {
  const { noun, letters, allowed } = kinds[kind];
  if (pattern === '') return 'is empty; write a name or a pattern like "team-*"';
  if (pattern.length > patternLengthMax) return `is longer than ${patternLengthMax} characters; shorten it`;
  if (/[[\]{}?!]/.test(pattern)) return 'holds one of [ ] { } ? !; only * and ** are special, write several patterns';
  if (pattern.includes('***')) return 'holds three stars in a row; * stays within one level, ** crosses levels';
  if (kind !== 'repositories' && pattern.includes('/')) {
    return `holds "/", which no ${kind === 'tags' ? 'tag' : 'namespace'} has; write paths under repositories`;
  }
  const stranger = letters.exec(pattern);
  if (stranger !== null) return `holds "${stranger[0]}", which ${noun} never has; allowed are ${allowed}, and * and **`;
  if (/^\/|\/$|\/\//.test(pattern)) return 'has an empty level; no repository begins or ends with "/" or holds "//"';
  return undefined;
}
