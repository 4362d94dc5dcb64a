import type { ReconcileRun } from '../coordination/reconcile-schedule.ts';
import { isAutosignError } from '../domain/errors.ts';
import type { DeadLetter, DeadLetters } from '../queue/dead-letters.ts';
import type { FinishedJob, FinishedJobs } from '../queue/finished-jobs.ts';
import type { WorkerHealth } from '../worker/worker-health.ts';
import type { DashboardLimits } from './dashboard-limits.ts';

/** A registry that is compared with the rules, and how that ended last; undefined when no run is known. */
export interface WalkedRegistry {
  readonly registry: string;
  readonly run: ReconcileRun | undefined;
}

/** Where the page reads what it shows. What asks Redis throws AutosignError `redis-unreachable`. */
export interface OverviewSources {
  readonly health: () => Promise<WorkerHealth>;
  /** Jobs by state, as `queue/job-counts.ts` names them. */
  readonly jobCounts: () => Promise<Readonly<Record<string, number>>>;
  readonly walkedRegistries: () => Promise<readonly WalkedRegistry[]>;
  readonly deadLetters: Pick<DeadLetters, 'list'>;
  readonly finished: Pick<FinishedJobs, 'newest'>;
}

/** What Redis tells. */
export interface QueueOverview {
  readonly counts: Readonly<Record<string, number>>;
  readonly walkedRegistries: readonly WalkedRegistry[];
  /** The newest, not more than the limit. */
  readonly deadLetters: readonly DeadLetter[];
  readonly finished: readonly FinishedJob[];
}

/** Everything the page shows, of one moment. */
export interface Overview {
  readonly health: WorkerHealth;
  /** Undefined while Redis does not answer. */
  readonly queue: QueueOverview | undefined;
}

export interface OverviewReader {
  read(): Promise<Overview>;
  /** What was read before does not count any more: something was changed. */
  forget(): void;
}

/** Reads all sources side by side. */
export function createOverviewReader(sources: OverviewSources, limits: DashboardLimits): OverviewReader {
  let last: { readonly overview: Promise<Overview>; readonly at: number } | undefined;

  async function readQueue(): Promise<QueueOverview | undefined> {
    try {
      const [counts, walkedRegistries, deadLetters, finished] = await Promise.all([
        sources.jobCounts(),
        sources.walkedRegistries(),
        newestOf(sources.deadLetters, limits.deadLettersRead),
        sources.finished.newest(limits.finishedShown),
      ]);
      return { counts, walkedRegistries, deadLetters, finished };
    } catch (error) {
      if (isAutosignError(error, 'redis-unreachable')) return undefined;
      throw error;
    }
  }

  return {
    read: () => {
      const at = performance.now();
      if (last === undefined || at - last.at >= limits.overviewKeptMs) {
        const overview = Promise.all([sources.health(), readQueue()]).then(([health, queue]) => ({ health, queue }));
        last = { overview, at };
      }
      return last.overview;
    },
    forget: () => {
      last = undefined;
    },
  };
}

async function newestOf(dead: Pick<DeadLetters, 'list'>, count: number): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of dead.list()) {
    letters.push(letter);
    if (letters.length === count) break;
  }
  return letters;
}
