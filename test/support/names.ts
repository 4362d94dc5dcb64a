import { randomBytes } from 'node:crypto';

/** A repository name that no other test uses, `prod/app-1f2e…` by default: namespace, then `name` with a random end. */
export function uniqueRepository(name = 'app', namespace = 'prod'): string {
  return `${namespace}/${name}-${randomBytes(6).toString('hex')}`;
}

/** A prefix for queues and keys in the shared Redis that no other test uses; in braces, as Redis Cluster wants it. */
export function uniquePrefix(name = 'test'): string {
  return `{${name}-${randomBytes(6).toString('hex')}}`;
}
