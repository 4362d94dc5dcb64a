import type { BackfillEvent, BackfillProgress } from '../backfill/backfill-event.ts';
import type { TagCount } from '../backfill/count-tags.ts';
import type { BackfillEstimate } from '../backfill/estimate.ts';
import { withoutControls } from './terminal.ts';

/** How a backfill ended, for the last line. */
export type BackfillSummary = {
  readonly status: 'finished' | 'stopped' | 'partly';
  readonly progress: BackfillProgress;
  /** Of images that are dead letters, in no order. */
  readonly failures: ReadonlyMap<string, string>;
  /** With --dry-run. */
  readonly estimate?: BackfillEstimate;
  /** The command that goes on where this one ended. */
  readonly resume?: string;
};

/** Where a backfill shows what it does. */
export interface BackfillOutput {
  /** Whether `follow` is to be told what there is to walk, which costs requests. */
  readonly wantsTotal: boolean;
  tell(event: BackfillEvent): void;
  /** From now on progress is shown. */
  follow(progress: () => BackfillProgress, total: TagCount | undefined): void;
  /** Nothing follows. */
  end(summary: BackfillSummary): void;
  /** Leaves the terminal as it was; safe to call twice. */
  close(): void;
}

// Names that are shown at the end; "autosign dead list" has all of them.
const failuresShown = 100;
// Lines that only count come no more often.
const progressEveryMs = 1_000;

export interface JsonOutputOptions {
  readonly write: (text: string) => void;
  /** In milliseconds, of any origin. */
  readonly now: () => number;
}

/** One JSON object a line; every line has the counts as they are then. */
export function createJsonOutput({ write, now }: JsonOutputOptions): BackfillOutput {
  const startedAt = now();
  let progress: (() => BackfillProgress) | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;
  const line = (fields: object) => write(`${JSON.stringify(fields)}\n`);
  const seconds = () => Math.round((now() - startedAt) / 100) / 10;
  return {
    wantsTotal: false,
    tell: (event) => {
      if (event.step === 'progress' && now() - shownAt < progressEveryMs) return;
      if (event.step === 'progress') shownAt = now();
      line({ ...event, seconds: seconds(), ...progress?.() });
    },
    follow: (from) => {
      progress = from;
    },
    end: ({ status, failures, estimate, resume, progress: counts }) =>
      line({
        step: 'summary',
        status,
        seconds: seconds(),
        ...counts,
        ...(estimate && { estimate }),
        failures: [...failures].slice(0, failuresShown).map(([image, code]) => ({ image, code })),
        ...(resume !== undefined && { resume }),
      }),
    close: () => undefined,
  };
}

/** A line for whoever reads along; undefined for what is shown in another way. */
export function sentenceOf(event: BackfillEvent): string | undefined {
  switch (event.step) {
    case 'progress':
    case 'namespace':
      return undefined;
    case 'resumed':
      return `goes on with the run of ${event.startedAt.toISOString()}`;
    case 'begun':
      return event.forgotten && `begins anew; the unfinished run of ${event.forgotten.toISOString()} is forgotten`;
    case 'occupied':
      return 'another backfill of the same choice runs, or was killed a moment ago: waits for it';
    case 'preparing':
      return `waits for the walk over what stood before ${namesOf(event.rules)}. Does "autosign work" run, with these rules?`;
    case 'unread':
      return `${event.place}: cannot be looked at: ${event.reason}`;
    case 'waiting':
      return `${event.image}, and perhaps others: waits: ${event.reason}`;
    case 'broken-off':
      return `${event.registry}: cannot be walked to the end: ${event.reason}`;
    case 'failed':
      return `${event.image}: failed: ${event.code}`;
    case 'left':
      return `${event.image}: left unsigned by the workers: ${event.reason}. Do they have the same rules?`;
    case 'idle':
      return `none of ${event.pending} queued images was signed for ${event.forSeconds} seconds. Does "autosign work" run?`;
  }
}

/** The last lines for whoever reads along. */
export function summaryText({ status, progress, failures, estimate, resume }: BackfillSummary): string {
  const { tags, queued, signed, skipped, failed, pending, waiting, unread, undated } = progress;
  const images = `${tags} images looked at`;
  const lines = estimate
    ? [
        `${images}: ${estimate.images} lack a signature, ${skipped} need none`,
        `${estimate.signatures} signatures, ${estimate.kmsCalls} calls of KMS: ${durationText(estimate.seconds)} at the quota`,
      ]
    : [
        `${status}: ${images}, ${queued} queued, ${signed} signed, ${skipped} skipped, ${failed} failed`,
        ...(pending > 0 ? [`${pending} are in the queue; the workers sign them`] : []),
      ];
  if (undated > 0) lines.push(`${undated} of them do not tell when they were built`);
  if (waiting > 0) lines.push(`${waiting} wait: a key is paused, or a rule is preparing`);
  if (unread > 0) lines.push(`${unread} could not be looked at`);
  for (const [image, code] of [...failures].slice(0, failuresShown)) lines.push(`failed: ${image}: ${code}`);
  if (failures.size > 0) lines.push('"autosign dead list" says what to do about those that failed');
  if (resume !== undefined) lines.push(`go on with: ${resume}`);
  return withoutControls(`${lines.join('\n')}\n`);
}

/** Hours, minutes and seconds, as `1:05:09` or `5:09`. */
export function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (part: number) => String(part).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function namesOf(rules: readonly { readonly rule: string; readonly registry: string }[]): string {
  return rules.map(({ rule, registry }) => `rule ${rule} in ${registry}`).join(', ');
}
