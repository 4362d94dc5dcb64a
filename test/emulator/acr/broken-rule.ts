import { type AcrInstance, splitRepository } from './acr-instance.ts';
import type { RequiredAccess } from './required-access.ts';

/** What a registry answers a request that breaks a rule of ACR's own. Inferred: status and code. */
interface Refusal {
  readonly status: number;
  readonly code: 'DENIED' | 'MANIFEST_UNKNOWN';
}

const denied: Refusal = { status: 403, code: 'DENIED' };

/**
 * The rule that a request breaks whose token allows it: a tag that was deleted is gone; an immutable one cannot be put
 * again; and a push creates a repository only where the namespace has it so.
 */
export async function brokenRule(
  instance: AcrInstance,
  method: string,
  access: RequiredAccess,
): Promise<Refusal | undefined> {
  if (access.kind !== 'repository') return undefined;
  const { repository, part, reference } = access;
  const isHidden = part === 'manifests' && instance.isHidden(repository, reference);
  if (method === 'GET' || method === 'HEAD') return isHidden ? { status: 404, code: 'MANIFEST_UNKNOWN' } : undefined;
  const { namespace } = splitRepository(repository);
  if (instance.namespaces.get(namespace)?.autoCreateRepo === false && !(await instance.exists(repository))) {
    return denied;
  }
  const putsTag = method === 'PUT' && part === 'manifests' && !reference.includes(':');
  if (!putsTag || isHidden || !instance.describe(repository).tagImmutability) return undefined;
  return (await instance.upstream.digestOf(repository, reference)) === undefined ? undefined : denied;
}
