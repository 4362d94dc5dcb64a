/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1); scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const parameterPattern = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, 'y');
const schemePattern = new RegExp(`(${token})(?=[ \\t,]|$)`, 'y');
const separatorPattern = /[ \t,]*/y;

/**
 * Reads all challenges of a header, in order. What follows something that is neither a scheme nor a parameter is
 * left out: a challenge that cannot be read is one that cannot be answered.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const found = pattern.exec(header);
    if (found !== null) position = pattern.lastIndex;
    return found;
  };
  while (position < header.length) {
    match(separatorPattern);
    const parameter = match(parameterPattern);
    const scheme = parameter === null ? match(schemePattern) : null;
    const current = challenges.at(-1);
    if (scheme?.[1] !== undefined) {
      challenges.push({ scheme: scheme[1].toLowerCase(), parameters: new Map() });
    } else if (parameter?.[1] !== undefined && current !== undefined) {
      const value = parameter[2]?.replaceAll(/\\(.)/g, '$1') ?? parameter[3] ?? '';
      current.parameters.set(parameter[1].toLowerCase(), value);
    } else {
      break;
    }
  }
  return challenges;
}
