import { setTimeout as delay } from 'node:timers/promises';
import { OpenApiError } from './openapi-error.ts';
import type { Throttle } from './throttle.ts';

/** What goes wrong; everything may be set while the emulator runs. Counters count down with each request they spoil. */
export interface Faults {
  /** Every answer of STS and KMS comes this much later. */
  latencyMs: number;
  /** That many KMS calls are refused with Rejected.Throttling. */
  throttleNext: number;
  /** As many AsymmetricSign and AsymmetricVerify an account may have in any second, together; more are throttled. */
  signaturesPerSecond: number;
  /** That many calls fail as described. */
  failNext: Failure | undefined;
  /** That many AsymmetricSign answers are signatures of the right key over another digest. */
  wrongSignatureNext: number;
  /** That many calls are carried out, and their answers cut off in the middle. */
  cutNext: number;
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
  return {
    latencyMs: 0,
    throttleNext: 0,
    signaturesPerSecond: Number.POSITIVE_INFINITY,
    failNext: undefined,
    wrongSignatureNext: 0,
    cutNext: 0,
    down: false,
  };
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
export function takeFault(faults: Faults, counter: 'throttleNext' | 'wrongSignatureNext' | 'cutNext'): boolean {
  if (faults[counter] <= 0) return false;
  faults[counter] -= 1;
  return true;
}

/** A call that was authenticated, as far as faults go by it. */
interface FaultyCall {
  readonly action: string;
  readonly isKms: boolean;
  readonly accountId: string;
  /** When it came in. */
  readonly atMs: number;
}

/** Spoils a call, when a fault is set for it. */
export async function applyFaults(faults: Faults, throttle: Throttle, call: FaultyCall): Promise<void> {
  const { action, isKms, accountId, atMs } = call;
  const isSignature = isKms && (action === 'AsymmetricSign' || action === 'AsymmetricVerify');
  // First of all: the calls of a second are those that came in it, however long their answers take.
  const admitted = !isSignature || throttle(accountId, faults.signaturesPerSecond, atMs);
  if (faults.latencyMs > 0) await delay(faults.latencyMs);
  if (!admitted) throw throttled();
  const failure = faults.failNext;
  if (failure !== undefined && failure.count > 0 && (failure.action ?? action) === action) {
    failure.count -= 1;
    if (failure.body !== undefined) throw new RawAnswer(failure.status, failure.body);
    throw new OpenApiError(failure.status, failure.code, 'The request has failed, as the emulator was told.');
  }
  if (isKms && takeFault(faults, 'throttleNext')) throw throttled();
}

function throttled(): OpenApiError {
  return new OpenApiError(400, 'Rejected.Throttling', 'QPS Limit Exceeded');
}
