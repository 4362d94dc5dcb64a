import { setTimeout as delay } from 'node:timers/promises';
import { OpenApiError } from './openapi-error.ts';

/** What goes wrong; everything may be set while the emulator runs. Counters count down with each request they spoil. */
export interface Faults {
  /** Every answer of STS and KMS comes this much later. */
  latencyMs: number;
  /** That many KMS calls are refused with Rejected.Throttling. */
  throttleNext: number;
  /** That many calls fail as described. */
  failNext: Failure | undefined;
  /** That many AsymmetricSign answers are signatures of the right key over another digest. */
  wrongSignatureNext: number;
  /** Connections are cut before any answer. */
  down: boolean;
}

interface Failure {
  count: number;
  readonly status: number;
  readonly code: string;
  /** Only this action, when it is named. */
  readonly action?: string | undefined;
  /** Sent as it is in place of Alibaba's JSON, like the page of a gateway. */
  readonly body?: string | undefined;
}

export function noFaults(): Faults {
  return { latencyMs: 0, throttleNext: 0, failNext: undefined, wrongSignatureNext: 0, down: false };
}

/** An answer that is not Alibaba's JSON. */
export class RawAnswer extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** Takes one of a counter; false when there is none left. */
export function takeFault(faults: Faults, counter: 'throttleNext' | 'wrongSignatureNext'): boolean {
  if (faults[counter] <= 0) return false;
  faults[counter] -= 1;
  return true;
}

/** Spoils a call that was authenticated, when a fault is set for it. */
export async function applyFaults(faults: Faults, action: string, isKms: boolean): Promise<void> {
  if (faults.latencyMs > 0) await delay(faults.latencyMs);
  const failure = faults.failNext;
  if (failure !== undefined && failure.count > 0 && (failure.action ?? action) === action) {
    failure.count -= 1;
    if (failure.body !== undefined) throw new RawAnswer(failure.status, failure.body);
    throw new OpenApiError(failure.status, failure.code, 'The request has failed, as the emulator was told.');
  }
  if (isKms && takeFault(faults, 'throttleNext'))
    throw new OpenApiError(400, 'Rejected.Throttling', 'QPS Limit Exceeded');
}
