import { AutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';

/** When a secret with an end is renewed, and when it is given up. */
export interface RenewalMargins {
  /** A secret is not handed out in its last such time, in milliseconds: the call it is for must arrive while it counts. */
  readonly lastMs: number;
  /** Renewal begins with this share of the life left, between 0 and 1. */
  readonly lifeLeftAtRenewal: number;
  /** A renewal that failed in the background is tried again after this time, in milliseconds. */
  readonly failurePauseMs: number;
}

/**
 * A minute for the last call; a third of the life, so that minutes of an outage go unnoticed; half a minute, so that a
 * broken service is not asked at every signature.
 */
export const renewalMargins: RenewalMargins = { lastMs: 60_000, lifeLeftAtRenewal: 1 / 3, failurePauseMs: 30_000 };

/** A secret as it came, with its end by this machine's clock, in milliseconds since 1970. */
export interface SecretWithEnd<Value> {
  readonly value: Value;
  readonly expiresAtMs: number;
}

export interface RenewedSecretOptions<Value> {
  /** What it is, for a message: "credentials for …", "a login for …". */
  readonly what: string;
  /** Asks for a new one. Its errors reach those who wait for the answer. */
  readonly request: () => Promise<SecretWithEnd<Value>>;
  readonly clock: Clock;
  /** `renewalMargins` unless it is given. */
  readonly margins?: RenewalMargins | undefined;
}

export interface RenewedSecret<Value> {
  /** @throws AutosignError `credentials-missing` when a new one is over as it comes, and whatever `request` throws */
  get(): Promise<Value>;
  /** Drops `refused`, which a service would not take, so that the next caller gets a new one. */
  forget(refused: Value): void;
}

interface Held<Value> {
  readonly value: Value;
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

/**
 * Holds a secret that ends: it is requested when it is first needed and again before it ends. Concurrent callers share
 * one request, renewal holds up nobody while the old one counts, and a failed try is not remembered.
 */
export function createRenewedSecret<Value>(options: RenewedSecretOptions<Value>): RenewedSecret<Value> {
  const { clock, margins = renewalMargins } = options;
  let held: Held<Value> | undefined;
  let inFlight: Promise<Value> | undefined;
  let quietUntilMs = 0;

  function acquire(): Promise<Value> {
    inFlight ??= requestAndCheck(options, margins)
      .then((fresh) => {
        held = fresh;
        return fresh.value;
      })
      .finally(() => {
        inFlight = undefined;
      });
    return inFlight;
  }

  function renewInBackground(nowMs: number): void {
    quietUntilMs = nowMs + margins.failurePauseMs;
    // The failure shows itself when the held one ends and a caller waits for the next try.
    acquire().catch(() => undefined);
  }

  return {
    async get() {
      const nowMs = clock.now().getTime();
      if (held === undefined || nowMs >= held.endsAtMs) return acquire();
      const { value } = held;
      if (nowMs >= held.renewAtMs && nowMs >= quietUntilMs) renewInBackground(nowMs);
      return value;
    },
    forget(refused) {
      if (held?.value === refused) held = undefined;
    },
  };
}

async function requestAndCheck<Value>(
  { what, request, clock }: RenewedSecretOptions<Value>,
  margins: RenewalMargins,
): Promise<Held<Value>> {
  const askedAtMs = clock.now().getTime();
  const { value, expiresAtMs } = await request();
  const endsAtMs = expiresAtMs - margins.lastMs;
  if (endsAtMs <= clock.now().getTime()) {
    throw new AutosignError(
      'credentials-missing',
      `Got ${what} whose end has passed already. Check this machine's clock.`,
    );
  }
  return { value, endsAtMs, renewAtMs: endsAtMs - (endsAtMs - askedAtMs) * margins.lifeLeftAtRenewal };
}
