import { below, type Entries, type Entry, type Place, problemAt } from './entry.ts';
import { nearestName } from './nearest-name.ts';
import type { Problem } from './problem.ts';

/** Names, hosts and token hashes that stand twice, and names that lead nowhere. */
export function checkNames(entries: Entries): readonly Problem[] {
  return [
    ...findRepeated(named(entries.registries), (name) => `there are two registries "${name}"; rename one`),
    ...findRepeated(named(entries.keys), (name) => `there are two keys "${name}"; rename one`),
    ...findRepeated(named(entries.rules), (name) => `there are two rules "${name}"; rename one`),
    // A host names one registry: it decides which login is used, and a signature is for one identity.
    ...findRepeated(hosts(entries), (host) => `${host} belongs to another registry already; take it out of one`),
    ...findRepeated(
      tokens(entries),
      () => 'this hash stands at another place already; give each registry its own token',
    ),
    ...findRepeated(quotas(entries), (scope) => `there are two entries for ${scope}; keep one`),
    ...entries.rules.flatMap((rule) => [
      ...findRepeated(
        items(rule, 'registries', rule.value.registries),
        (name) => `"${name}" is named twice; once is enough`,
      ),
      ...findRepeated(
        items(rule, 'formats', rule.value.formats ?? []),
        (name) => `"${name}" is named twice; once is enough`,
      ),
      ...items(rule, 'registries', rule.value.registries)
        .filter(({ text }) => !entries.registryNames.has(text))
        .map(({ text, place }) => problemAt(place, describeMissing('registry', text, entries.registryNames))),
      ...(entries.keyNames.has(rule.value.key)
        ? []
        : [problemAt(below(rule, 'key'), describeMissing('key', rule.value.key, entries.keyNames))]),
    ]),
  ];
}

interface Placed {
  readonly text: string;
  readonly place: Place;
}

function findRepeated(values: readonly Placed[], message: (text: string) => string): readonly Problem[] {
  const first = new Map<string, Place>();
  return values.flatMap(({ text, place }) => {
    const earlier = first.get(text);
    if (earlier === undefined) {
      first.set(text, place);
      return [];
    }
    const line = earlier.document.lineOf(earlier.path);
    return [problemAt(place, `${message(text)} (the first is at ${earlier.document.file}:${line})`)];
  });
}

function named(entries: readonly Entry<{ readonly name: string }>[]): readonly Placed[] {
  return entries.map((entry) => ({ text: entry.value.name, place: below(entry, 'name') }));
}

function items(entry: Place, field: string, texts: readonly string[]): readonly Placed[] {
  return texts.map((text, index) => ({ text, place: below(entry, field, index) }));
}

/** Each host once a registry: that `identityHost` or an alias repeats the registry's own host is no fault. */
function hosts(entries: Entries): readonly Placed[] {
  return entries.registries.flatMap((registry) => {
    const { host, identityHost = host, aliases = [] } = registry.value;
    const placed = [
      ...items(registry, 'aliases', aliases),
      { text: identityHost, place: below(registry, 'identityHost') },
      { text: host, place: below(registry, 'host') },
    ];
    // The last one wins, so that the host itself is blamed when it is all of them.
    const places = new Map(placed.map(({ text, place }) => [text.toLowerCase(), place]));
    return [...places].map(([text, place]) => ({ text, place }));
  });
}

function tokens(entries: Entries): readonly Placed[] {
  return entries.registries.flatMap((registry) =>
    (registry.value.webhook?.tokenSha256 ?? []).map((text, index) => ({
      text,
      place: below(registry, 'webhook', 'tokenSha256', index),
    })),
  );
}

function quotas(entries: Entries): readonly Placed[] {
  return entries.quotas.map((quota) => ({
    text: `account ${quota.value.accountId} in ${quota.value.region}`,
    place: below(quota, 'accountId'),
  }));
}

function describeMissing(noun: string, name: string, known: ReadonlySet<string>): string {
  const nearest = nearestName(name, known);
  const names = known.size === 0 ? 'none is configured' : `there are ${[...known].join(', ')}`;
  return `there is no ${noun} "${name}"; ${nearest === undefined ? names : `did you mean "${nearest}"?`}`;
}
