import { type Check, failure, ok, type Verdict, warning } from './check.ts';

/** A clock elsewhere that ours is held against. */
export interface OtherClock {
  /** What it is, for the table. */
  readonly name: string;
  /** Its time, or undefined when it does not tell. */
  read(): Promise<Date | undefined>;
}

// HTTP dates have whole seconds and an answer takes its time.
const unnoticedMs = 5_000;
// EventBridge's signatures count for 60 seconds, bearer tokens of ACR from five minutes ago, requests to KMS and STS for 15.
const harmfulMs = 60_000;

/** How far this machine's clock is from others: signatures of requests, tokens and certificates all depend on it. */
export function clockChecks(clocks: readonly OtherClock[], now: () => Date): readonly Check[] {
  return clocks.map(({ name, read }) => ({
    area: 'clock',
    subject: name,
    run: async () => {
      const before = now().getTime();
      const time = await read();
      const here = (before + now().getTime()) / 2;
      return [time === undefined ? silent() : verdictOf(time.getTime() - here)];
    },
  }));
}

function silent(): Verdict {
  return warning('it does not tell its time', 'Nothing, if the other clocks of this table agree.');
}

function verdictOf(aheadMs: number): Verdict {
  const seconds = Math.abs(aheadMs / 1_000).toFixed(1);
  if (Math.abs(aheadMs) <= unnoticedMs) return ok('agrees with this machine within 5 s');
  const detail = `this machine is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead'}`;
  const next = 'Set the clock of this machine (NTP), or of the other one if that is wrong.';
  return Math.abs(aheadMs) < harmfulMs ? warning(detail, next) : failure(detail, next);
}
