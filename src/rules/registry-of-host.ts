import type { Registry, RuleSet } from './rule-set.ts';

/** The registry that has `host` as its own, signed or further host name. */
export function findRegistry({ registries }: RuleSet, host: string): Registry | undefined {
  const wanted = host.toLowerCase();
  return [...registries.values()].find((registry) =>
    [registry.host, registry.identityHost, ...registry.aliases].some((name) => name.toLowerCase() === wanted),
  );
}
