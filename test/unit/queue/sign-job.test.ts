import { describe, expect, test } from 'vitest';
import { signJobOptions } from '../../../src/queue/job-options.ts';
import { parseSignJob, type SignJob } from '../../../src/queue/sign-job.ts';

const at = '2026-01-02T03:04:05.678Z';
const digest = `sha256:${'a'.repeat(64)}` as const;
const job: SignJob = {
  version: 1,
  registry: 'prod',
  repository: 'team/app',
  tag: 'v1',
  lane: 'push',
  cause: { kind: 'push', eventDigest: digest, receivedAt: at },
};

describe('a job', () => {
  test.each([
    ['of a push', job.cause],
    ['of a push that named no digest', { kind: 'push', receivedAt: at }],
    ['of a backfill', { kind: 'backfill', requestedAt: at }],
    ['of an operator', { kind: 'operator', requestedAt: at }],
  ])('%s is read as it was queued', (_what, cause) => {
    const queued = { ...job, cause };
    expect(parseSignJob(JSON.parse(JSON.stringify(queued)))).toEqual(queued);
  });

  test.each([
    ['job', undefined],
    ['job', 'text'],
    ['version', { ...job, version: 2 }],
    ['registry', { ...job, registry: 'registry.example.com' }],
    ['registry', { ...job, registry: 'a'.repeat(64) }],
    ['repository', { ...job, repository: '../../etc' }],
    ['repository', { ...job, repository: 'a'.repeat(256) }],
    ['tag', { ...job, tag: 'a b' }],
    ['tag', { ...job, tag: undefined }],
    ['lane', { ...job, lane: 'express' }],
    ['cause', { ...job, cause: undefined }],
    ['cause.kind', { ...job, cause: { kind: 'rumour', receivedAt: at } }],
    ['cause.eventDigest', { ...job, cause: { kind: 'push', receivedAt: at, eventDigest: 'sha256:x' } }],
    ['cause.receivedAt', { ...job, cause: { kind: 'push', receivedAt: 'yesterday' } }],
  ])('is refused for its %s: %j', (field, data) => {
    expect(() => parseSignJob(data)).toThrow(
      expect.objectContaining({ code: 'job-invalid', message: expect.stringContaining(`${field}: `) }),
    );
  });

  test.each([
    ['job: is missing. ', undefined],
    ['tag: is missing. ', { ...job, tag: undefined }],
    ['version: is missing. ', { ...job, version: undefined }],
    ['lane: is missing; cause: is missing. ', { ...job, lane: undefined, cause: undefined }],
    ['cause.receivedAt: is missing. ', { ...job, cause: { kind: 'push' } }],
  ])('is refused with "%s"', (problems, data) => {
    const message = expect.stringContaining(`not one of this version: ${problems}`);
    expect(() => parseSignJob(data)).toThrow(expect.objectContaining({ code: 'job-invalid', message }));
  });

  test.each([null, 7, ''])('of the tag %j is called wrong, not without a tag', (tag) => {
    expect(() => parseSignJob({ ...job, tag })).toThrow(/tag: (?!is missing)/);
  });

  test.each([
    ['one field with a name without end', { ['x'.repeat(1_000_000)]: 1 }],
    ['fields without end', Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`field-${index}`, 1]))],
  ])('is refused in a few words, and nothing else is kept, when it carries %s', (_, more) => {
    const refusal = catchError(() => parseSignJob({ ...job, ...more }));
    expect(refusal.message.length).toBeLessThan(700);
    expect(refusal.cause).toBeUndefined();
  });

  test('is refused when it carries anything but coordinates', () => {
    expect(() => parseSignJob({ ...job, key: 'release' })).toThrow(expect.objectContaining({ code: 'job-invalid' }));
    expect(() => parseSignJob({ ...job, cause: { ...job.cause, digest } })).toThrow(
      expect.objectContaining({ code: 'job-invalid' }),
    );
  });
});

describe('the options of a job', () => {
  test('keep lanes, registries, repositories and tags apart', () => {
    const variants: readonly SignJob[] = [
      job,
      { ...job, lane: 'backfill' },
      { ...job, registry: 'lab' },
      { ...job, repository: 'team/other' },
      { ...job, tag: 'v2' },
    ];
    const ids = variants.map((variant) => signJobOptions(variant).deduplication?.id);
    expect(new Set(ids).size).toBe(variants.length);
  });

  test('are the same for two events of one tag', () => {
    expect(signJobOptions({ ...job, cause: { kind: 'operator', requestedAt: at } })).toEqual(signJobOptions(job));
  });

  test('give a priority, which BullMQ serves last, to backfill only', () => {
    expect(signJobOptions(job).priority).toBeUndefined();
    expect(signJobOptions({ ...job, lane: 'backfill' }).priority).toBeGreaterThan(0);
  });
});

function catchError(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was expected to fail');
}
