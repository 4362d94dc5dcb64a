/**
 * One step of a pattern: a character that must stand there, or a run of any length (also none), `star` without "/",
 * `globstar` with.
 */
type Step = { readonly kind: 'character'; readonly character: string } | { readonly kind: 'star' | 'globstar' };

/**
 * Whether `pattern` matches all of `text`: `*` is any run without "/", `**` any run with "/", everything else itself.
 * The positions that can still match are carried along, so the work is at most pattern length times text length:
 * a pattern translated to a regular expression can be made to backtrack without end.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  const prefix = literalPrefix(pattern);
  if (prefix.length === pattern.length) return pattern === text;
  // Most patterns are told apart by their beginning, and each push is held against all of them.
  if (!text.startsWith(prefix)) return false;
  return accepts(
    parseGlob(pattern),
    Array.from(text, (character) => ({ kind: 'character', character })),
  );
}

/**
 * Whether everything that `inner` matches is matched by `outer`. True is certain: a run of `inner` is only ever taken
 * in by a run of `outer` that is at least as wide.
 */
export function coversGlob(outer: string, inner: string): boolean {
  return accepts(parseGlob(outer), parseGlob(inner));
}

/** Whether some text is matched by both patterns; exact. */
export function globsIntersect(left: string, right: string): boolean {
  const prefixes = [literalPrefix(left), literalPrefix(right)] as const;
  if (!prefixes[0].startsWith(prefixes[1]) && !prefixes[1].startsWith(prefixes[0])) return false;
  const a = parseGlob(left);
  const b = parseGlob(right);
  // Pairs of positions that one text can reach in both patterns.
  const width = b.length + 1;
  const seen = new Set<number>([0]);
  const visit = (i: number, j: number): void => {
    if (i <= a.length && j <= b.length) seen.add(i * width + j);
  };
  // A Set is iterated in the order of insertion, including what is added on the way.
  for (const pair of seen) {
    const i = Math.floor(pair / width);
    const j = pair % width;
    const stepA = a[i];
    const stepB = b[j];
    if (isRun(stepA)) visit(i + 1, j);
    if (isRun(stepB)) visit(i, j + 1);
    if (stepA === undefined || stepB === undefined || (isRun(stepA) && isRun(stepB))) continue;
    if (isRun(stepA) ? passes(stepA, stepB) : passes(stepB, stepA)) {
      visit(isRun(stepA) ? i : i + 1, isRun(stepB) ? j : j + 1);
    }
  }
  return seen.has(a.length * width + b.length);
}

function literalPrefix(pattern: string): string {
  const star = pattern.indexOf('*');
  return star < 0 ? pattern : pattern.slice(0, star);
}

function parseGlob(pattern: string): readonly Step[] {
  return (pattern.match(/\*\*|\*|[^*]/gsu) ?? []).map((token) => {
    if (token === '*') return { kind: 'star' };
    if (token === '**') return { kind: 'globstar' };
    return { kind: 'character', character: token };
  });
}

/** Whether `pattern` takes in all of `input`: a text, or the steps of another pattern. */
function accepts(pattern: readonly Step[], input: readonly Step[]): boolean {
  let positions = withRunsSkipped(pattern, new Set([0]));
  for (const symbol of input) {
    const next = new Set<number>();
    for (const position of positions) {
      const step = pattern[position];
      if (step !== undefined && passes(step, symbol)) next.add(isRun(step) ? position : position + 1);
    }
    if (next.size === 0) return false;
    positions = withRunsSkipped(pattern, next);
  }
  return positions.has(pattern.length);
}

/** Adds the positions behind runs, since a run may be empty. */
function withRunsSkipped(pattern: readonly Step[], positions: Set<number>): Set<number> {
  for (const position of positions) {
    if (isRun(pattern[position])) positions.add(position + 1);
  }
  return positions;
}

function isRun(step: Step | undefined): boolean {
  return step?.kind === 'star' || step?.kind === 'globstar';
}

/** Whether `step` takes in `symbol`. */
function passes(step: Step, symbol: Step): boolean {
  switch (step.kind) {
    case 'globstar':
      return true;
    case 'star':
      return symbol.kind === 'star' || (symbol.kind === 'character' && symbol.character !== '/');
    case 'character':
      return symbol.kind === 'character' && symbol.character === step.character;
  }
}
