import {
  type BackfillChange,
  type BackfillCounts,
  type KeptBackfill,
  noCounts,
} from '../coordination/backfill-store.ts';
import type { TaggedImage } from '../ports/baseline.ts';
import type { JobEnd } from '../queue/job-ends.ts';
import type { BackfillProgress } from './backfill-event.ts';
import { nameOfImage } from './backfill-image.ts';
import type { Looked } from './look-at-image.ts';

/** An image of a batch; `looked` is absent for one that was dealt with before. */
interface LookedImage {
  readonly image: TaggedImage;
  readonly looked: Looked | undefined;
}

/** How a job ended that left its end behind. */
export type KnownEnd = Exclude<JobEnd, { readonly status: 'gone' }>;

/** One backfill from its beginning to its end, however many processes that takes. */
export interface BackfillRun {
  /** What was built before this is skipped. */
  readonly since: Date | undefined;
  /** Images whose jobs have not ended, and the ids of the jobs. */
  readonly pending: ReadonlyMap<string, string>;
  /** Images that are dead letters, and the error codes. */
  readonly failures: ReadonlyMap<string, string>;
  progress(): BackfillProgress;
  /** Whether every tag of the repository was dealt with by an earlier process. */
  isWalked(registry: string, repository: string): boolean;
  isLookedAt(image: TaggedImage): boolean;
  /** Takes down what was found, in the order of the walk. */
  record(batch: readonly LookedImage[]): Promise<void>;
  /** The walk over a registry has come to its end, so its last repository is through, too. */
  endWalk(): Promise<void>;
  /** The tags of a repository cannot be listed. */
  countUnlisted(): void;
  /** The jobs of pending images have ended. */
  settle(ended: readonly (readonly [image: string, end: KnownEnd])[]): Promise<void>;
  /** Another job does the work for a pending image. */
  replace(image: string, job: string): Promise<void>;
}

export interface BackfillRunOptions {
  readonly kept: Omit<KeptBackfill, 'startedAt'>;
  /** Keeps a change, before it counts. */
  readonly keep: (change: BackfillChange) => Promise<void>;
}

/**
 * What one process knows of a run. A repository counts as walked when the walk has left it and all of its tags were
 * dealt with; until then its tags are kept one by one. What could not be looked at, or waits, is not kept at all, so
 * that whoever goes on looks at it again.
 */
export function createBackfillRun({ kept, keep }: BackfillRunOptions): BackfillRun {
  let { counts } = kept;
  const open = { waiting: 0, unread: 0 };
  const pending = new Map(kept.pending);
  const failures = new Map(kept.failures);
  const frontier = createFrontier();

  async function change(wanted: BackfillChange): Promise<void> {
    await keep(wanted);
    counts = sumOf([counts, wanted.counts ?? {}]);
    for (const [image, job] of wanted.pending ?? []) pending.set(image, job);
    for (const image of wanted.ended ?? []) pending.delete(image);
    for (const [image, code] of wanted.failures ?? []) failures.set(image, code);
  }

  return {
    since: kept.since,
    pending,
    failures,
    progress: () => ({ ...counts, pending: pending.size, ...open }),
    isWalked: (registry, repository) => kept.walked.has(`${registry}/${repository}`),
    isLookedAt: (image) => kept.walked.has(nameOfImage(image)),
    record: async (batch) => {
      const looks = batch.flatMap(({ looked }) => looked ?? []);
      const jobs = batch.flatMap(({ image, looked }) =>
        looked?.kind === 'queued' && looked.job !== undefined ? [[nameOfImage(image), looked.job] as const] : [],
      );
      await change({ ...frontier.pass(batch), counts: sumOf(looks.map(countsOf)), pending: jobs });
      open.waiting += looks.filter(waitsFor).length;
      open.unread += looks.filter(({ kind }) => kind === 'unread').length;
    },
    endWalk: () => change(frontier.end()),
    countUnlisted: () => {
      open.unread += 1;
    },
    settle: (ended) =>
      change({
        counts: sumOf(ended.map(([, end]) => ({ [countOfEnd[end.status]]: 1 }))),
        ended: ended.map(([image]) => image),
        failures: ended.flatMap(([image, end]) => (end.status === 'failed' ? [[image, end.code] as const] : [])),
      }),
    replace: (image, job) => change({ pending: [[image, job]] }),
  };
}

type Walked = Required<Pick<BackfillChange, 'walked' | 'unwalked'>>;

/** Where the walk is: it comes to each repository once, and to the tags of one repository one after the other. */
function createFrontier() {
  let at: { readonly repository: string; readonly tags: string[]; whole: boolean } | undefined;

  function end(): Walked {
    const left = at;
    at = undefined;
    return left?.whole ? { walked: [left.repository], unwalked: left.tags } : { walked: [], unwalked: [] };
  }

  function pass(batch: readonly LookedImage[]): Walked {
    const walked: string[] = [];
    const unwalked: string[] = [];
    for (const { image, looked } of batch) {
      const repository = `${image.registry}/${image.repository}`;
      if (at !== undefined && at.repository !== repository) {
        const left = end();
        walked.push(...left.walked);
        unwalked.push(...left.unwalked);
      }
      at ??= { repository, tags: [], whole: true };
      const name = nameOfImage(image);
      if (looked === undefined || isDealtWith(looked)) at.tags.push(name);
      else at.whole = false;
      if (looked !== undefined && isDealtWith(looked)) walked.push(name);
    }
    return { walked, unwalked };
  }

  return { pass, end };
}

function isDealtWith(looked: Looked): boolean {
  return looked.kind === 'skipped' || (looked.kind === 'queued' && !waitsFor(looked));
}

function waitsFor(looked: Looked): boolean {
  return looked.kind === 'waiting' || (looked.kind === 'queued' && looked.waits !== undefined);
}

function countsOf(looked: Looked): Partial<BackfillCounts> {
  switch (looked.kind) {
    case 'queued':
      return { tags: 1, queued: 1, undated: looked.undated ? 1 : 0 };
    case 'skipped':
      return { tags: 1, skipped: 1 };
    case 'waiting':
    case 'unread':
    case 'beyond':
      return {};
  }
}

const countOfEnd = { signed: 'signed', left: 'skipped', failed: 'failed' } as const;

function sumOf(parts: readonly Partial<BackfillCounts>[]): BackfillCounts {
  const sum = { ...noCounts };
  for (const part of parts) {
    for (const name of Object.keys(noCounts) as (keyof BackfillCounts)[]) sum[name] += part[name] ?? 0;
  }
  return sum;
}
