const unitsMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

/** How durations are written: `90d`, `12h`, `15m`, `30s`; at most five digits, which is 273 years in days. */
export const durationPattern = /^[1-9][0-9]{0,4}[dhms]$/;

/** Milliseconds of a duration that matches `durationPattern`. */
export function durationMs(text: string): number {
  const unit = text.slice(-1) as keyof typeof unitsMs;
  return Number(text.slice(0, -1)) * unitsMs[unit];
}
