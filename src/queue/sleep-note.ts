import type { Job } from 'bullmq';
import { z } from 'zod';

// The reason quotes what registries and KMS answer; in Redis, as in a dead letter, it has to end somewhere.
const reasonLengthMax = 500;

const SleepNote = z.object({ run: z.number(), reason: z.string() });

/**
 * Leaves on a job why it goes to sleep, for whoever asks about its image; the log of the worker is not everywhere. It
 * is a word for people, so that it cannot be written hinders nothing.
 */
export async function noteSleep(job: Job, reason: string): Promise<void> {
  const note = { run: job.attemptsStarted, reason: reason.slice(0, reasonLengthMax) } satisfies z.input<
    typeof SleepNote
  >;
  await job.updateProgress(note).catch(() => undefined);
}

/** Why the job sleeps; undefined when its last run ended otherwise, as by a failure, or when nothing readable is there. */
export function readSleepNote({ progress, attemptsStarted }: Job): string | undefined {
  const note = SleepNote.safeParse(progress);
  return note.success && note.data.run === attemptsStarted ? note.data.reason : undefined;
}
