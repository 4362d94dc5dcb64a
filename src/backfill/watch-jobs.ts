import { setTimeout as sleep } from 'node:timers/promises';
import type { TaggedImage } from '../ports/baseline.ts';
import type { JobEnd, JobEnds } from '../queue/job-ends.ts';
import type { Tell } from './backfill-event.ts';
import { imageOfName } from './backfill-image.ts';
import type { BackfillRun, KnownEnd } from './backfill-run.ts';
import type { Looked } from './look-at-image.ts';

export interface WatchJobsOptions {
  readonly run: BackfillRun;
  readonly ends: Pick<JobEnds, 'read'>;
  /** Looks at an image whose job is gone, and queues it once more when it still lacks a signature. */
  readonly lookAgain: (image: TaggedImage) => Promise<Looked>;
  readonly tell: Tell;
  /** Between two looks, in milliseconds. */
  readonly pollMs: number;
  /** When nothing has ended for this long, it is told. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/**
 * Follows the jobs of a run until the signal is aborted; then nothing is thrown.
 * @throws AutosignError `redis-unreachable`
 */
export async function watchJobs(options: WatchJobsOptions): Promise<void> {
  const { run, ends, tell, pollMs, idleMs, signal } = options;
  let endedAt = performance.now();
  while (!signal.aborted) {
    const pending = [...run.pending];
    const found = await ends.read(pending.map(([name, id]) => ({ ...imageOfName(name), id })));
    const ended: (readonly [name: string, end: KnownEnd])[] = [];
    for (const [index, [name]] of pending.entries()) {
      if (signal.aborted) break;
      const end = found[index];
      const known = end?.status === 'gone' ? await endByRegistry(name, options) : end;
      if (known !== undefined) ended.push([name, known]);
    }
    if (ended.length > 0) await run.settle(ended);
    for (const [image, end] of ended) tellOf(image, end, tell);
    if (ended.length > 0) tell({ step: 'progress' });

    const now = performance.now();
    if (ended.length > 0 || pending.length === 0) endedAt = now;
    if (now - endedAt > idleMs) {
      tell({ step: 'idle', pending: pending.length, forSeconds: Math.round((now - endedAt) / 1000) });
      endedAt = now;
    }
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The end of a job that left none behind; undefined when another job does the work, or nobody can tell now. */
async function endByRegistry(name: string, { run, lookAgain }: WatchJobsOptions): Promise<KnownEnd | undefined> {
  const looked = await lookAgain(imageOfName(name));
  switch (looked.kind) {
    case 'queued':
      if (looked.job !== undefined) await run.replace(name, looked.job);
      return undefined;
    case 'skipped':
      return looked.because === 'signed' ? { status: 'signed' } : { status: 'left', reason: looked.because };
    case 'waiting':
    case 'unread':
    case 'beyond':
      return undefined;
  }
}

function tellOf(image: string, end: JobEnd, tell: Tell): void {
  if (end.status === 'failed') tell({ step: 'failed', image, code: end.code });
  if (end.status === 'left') tell({ step: 'left', image, reason: end.reason });
}
