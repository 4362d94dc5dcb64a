import { appendFileSync } from 'node:fs';
import type { Findings } from './checker.ts';

/** One line of the result table. */
export interface ScenarioResult {
  readonly scenario: string;
  readonly rounds: number;
  readonly pushes: number;
  /** Kills, cuts, delays and other faults that were injected. */
  readonly faults: number;
  readonly findings: Findings;
  readonly startedAt: number;
}

/** What a result becomes in the file that `test/chaos/run.ts` reads: one JSON object a line. */
export interface RecordedResult {
  readonly scenario: string;
  readonly rounds: number;
  readonly pushes: number;
  readonly faults: number;
  readonly lost: number;
  readonly double: number;
  readonly invalid: number;
  readonly foreign: number;
  readonly durationMs: number;
}

/** 1 in CI; the long form multiplies every count of rounds. */
export const scale = Math.max(1, Number(process.env['CHAOS_SCALE'] ?? '1'));

/** Writes a result down where the long form collects them; `startedAt` is of `performance.now()`. */
export function report({ findings, startedAt, scenario, rounds, pushes, faults }: ScenarioResult): void {
  const file = process.env['CHAOS_RESULTS'];
  if (file === undefined) return;
  const counts = {
    lost: findings.lost.length,
    double: findings.double.length,
    invalid: findings.invalid.length,
    foreign: findings.foreign.length,
  };
  const durationMs = Math.round(performance.now() - startedAt);
  const line = { scenario, rounds, pushes, faults, ...counts, durationMs } satisfies RecordedResult;
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}
