import type { Digest } from '../../src/domain/digest.ts';
import type { SignJob } from '../../src/queue/sign-job.ts';

const mebibyte = 1024 * 1024;

/**
 * What a stranger may queue in place of `job`; the first is well formed and names a registry that is not configured.
 * @param digest of the image that the job names
 * @param host of its registry
 */
export function strangeJobs(job: SignJob, digest: Digest, host: string): readonly unknown[] {
  return [
    { ...job, registry: 'stranger' },
    { ...job, registry: host },
    { ...job, version: 2 },
    { ...job, digest },
    { ...job, rule: { name: 'mine', existing: 'sign' }, key: 'release' },
    { ...job, tag: digest },
    { ...job, repository: `${host}/${job.repository}` },
    { ...job, repository: `prod/../${job.repository}` },
    { ...job, repository: 'a'.repeat(4 * mebibyte) },
    { ...job, ['x'.repeat(4 * mebibyte)]: 1 },
    Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`field-${index}`, index])),
    null,
    'text',
    [job],
    {},
  ];
}
