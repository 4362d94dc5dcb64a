/**
 * Named places in the way of one push, in their order: the start of each step, and the moments between two effects. A
 * test lets a worker die at one of them; in service nobody listens.
 */
export const crashPoints = [
  'step-5',
  'step-6',
  'step-7',
  'step-8',
  'step-8-audited',
  'step-8-signed',
  'step-8-stored',
  'step-9',
  'step-10',
  'step-10-read-back',
  'step-10-audited',
] as const;
export type CrashPoint = (typeof crashPoints)[number];

/** Told of each place as it is reached. */
export type ReachedPoint = (point: CrashPoint) => void;
