import type { Tagged } from './chaos-setting.ts';
import type { FaultPolicy } from './fault.ts';
import type { HttpProxy } from './http-proxy.ts';

/** Faults of single repositories, so that scenarios side by side do not meet each other's. */
export interface SpoiltRepositories {
  /** What goes wrong with requests about this repository from now on. */
  spoil(place: Pick<Tagged, 'repository'>, policy: FaultPolicy): void;
  heal(place: Pick<Tagged, 'repository'>): void;
}

/** Takes the policies of these proxies over. */
export function spoilRepositories(proxies: readonly HttpProxy[]): SpoiltRepositories {
  const policies = new Map<string, FaultPolicy>();
  for (const proxy of proxies) {
    proxy.setPolicy((request) => policies.get(repositoryIn(request.path))?.(request));
  }
  return {
    spoil: ({ repository }, policy) => void policies.set(repository, policy),
    heal: ({ repository }) => void policies.delete(repository),
  };
}

/** The repository that a request of the distribution API is about; empty when about none. */
function repositoryIn(path: string): string {
  return /^\/v2\/(.+?)\/(manifests|blobs|referrers|tags)\//.exec(path)?.[1] ?? '';
}
