import type { RunningProcess } from '../../infra/processes/start-process.ts';

/** One finished job, as the worker's log tells it. */
export interface FinishedJob {
  readonly repository: string;
  readonly tag: string;
  /** Milliseconds since 1970, by the clock of this machine. */
  readonly at: number;
  /** What became of each signature that it was to make; empty when it ended before that. */
  readonly statuses: readonly string[];
}

const marker = '"msg":"job done"';

/** The jobs that the worker's log holds: of its newest 20,000 lines. */
export function finishedJobs({ stdout }: Pick<RunningProcess, 'stdout'>): readonly FinishedJob[] {
  return stdout.filter((line) => line.includes(marker)).map(readLine);
}

/** How many there are, without reading what they say. */
export function countFinished({ stdout }: Pick<RunningProcess, 'stdout'>): number {
  return stdout.reduce((count, line) => (line.includes(marker) ? count + 1 : count), 0);
}

function readLine(line: string): FinishedJob {
  const { repository, tag, time, outcome } = JSON.parse(line) as {
    readonly repository: string;
    readonly tag: string;
    readonly time: string;
    readonly outcome: { readonly intents?: readonly { readonly status: string }[] };
  };
  return { repository, tag, at: Date.parse(time), statuses: (outcome.intents ?? []).map(({ status }) => status) };
}
