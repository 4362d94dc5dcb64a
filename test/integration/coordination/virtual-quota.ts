import { askForPlaces, type EndedPlace } from '../../../src/coordination/quota-window.ts';
import type { PlaceUse, QuotaLane, QuotaScope } from '../../../src/ports/quota.ts';
import type { openStore } from './open-store.ts';

/** A call that some worker wants to make, and what the world does to it; times in milliseconds. */
export interface VirtualCall {
  readonly at: number;
  readonly worker: number;
  readonly lane: QuotaLane;
  /** From Redis' answer to the worker that has it. */
  readonly answerMs: number;
  /** From the moment when the call may begin to its receipt by KMS. */
  readonly wayMs: number;
  /** From there to the worker that has the answer. */
  readonly backMs: number;
  /** The worker dies after sending it, and never tells of its end. */
  readonly isLost?: boolean;
}

export interface MadeCall extends VirtualCall {
  readonly receivedAt: number;
}

export interface VirtualWorld {
  readonly scope: QuotaScope;
  /** What KMS answers to a call, told with the receipts before it. */
  readonly use?: (receivedAt: number, receipts: readonly number[]) => PlaceUse;
  /** The time of a Redis that a worker asks at a moment; absent: the moment itself. */
  readonly redisTime?: (at: number) => number;
}

interface VirtualWorker {
  readonly waiting: VirtualCall[];
  ended: (EndedPlace & { readonly at: number })[];
  /** When it asks again by itself, which is decided anew each time it asks. */
  askAt: number | undefined;
}

const tellMs = 100;
// Any moment later than 1970 will do; a day that has just begun leaves room before the next.
export const virtualStart = Date.UTC(2026, 0, 5);

/**
 * Runs calls in a world whose time is a number: workers ask the real script, and wait as long as it says. Answers when
 * each call was received, in that order.
 */
export async function runCalls(
  { redis, prefix }: ReturnType<typeof openStore>,
  calls: readonly VirtualCall[],
  { scope, use = () => 'ended', redisTime = (at) => at }: VirtualWorld,
): Promise<readonly MadeCall[]> {
  const events: { at: number; run: (at: number) => void | Promise<void> }[] = [];
  const plan = (at: number, run: (at: number) => void | Promise<void>) => {
    events.push({ at, run });
  };
  const made: MadeCall[] = [];
  const receipts: number[] = [];
  const workers = new Map<number, VirtualWorker>();
  let requests = 0;

  async function ask(number: number, at: number): Promise<void> {
    const worker = workers.get(number);
    if (worker === undefined || worker.waiting.length + worker.ended.length === 0) return;
    const live = worker.waiting.filter(({ lane }) => lane === 'push');
    const backfill = worker.waiting.filter(({ lane }) => lane === 'backfill');
    const ended = worker.ended.map((place) => ({ ...place, agoMs: at - place.at }));
    worker.ended = [];
    worker.askAt = undefined;
    requests += 1;
    const request = { scope, id: `r${requests}`, live: live.length, backfill: backfill.length, ended };
    const answer = await askForPlaces(redis, prefix, { ...request, nowMs: redisTime(at) });
    const given = [
      ...answer.live.map((place, index) => ({ place, call: live[index] })),
      ...answer.backfill.map((place, index) => ({ place, call: backfill[index] })),
    ];
    for (const { place, call } of given) {
      if (call === undefined) throw new Error('a place that nobody wanted');
      worker.waiting.splice(worker.waiting.indexOf(call), 1);
      plan(at + call.answerMs + place.inMs + call.wayMs, (receivedAt) => {
        const became = use(receivedAt, receipts);
        receipts.push(receivedAt);
        made.push({ ...call, receivedAt });
        if (call.isLost) return;
        plan(receivedAt + call.backMs, (endedAt) => {
          worker.ended.push({ id: place.id, use: became, agoMs: 0, at: endedAt });
          planAsk(number, worker, endedAt + tellMs);
        });
      });
    }
    if (worker.waiting.length > 0) planAsk(number, worker, at + answer.againInMs);
  }

  function planAsk(number: number, worker: VirtualWorker, at: number): void {
    if (worker.askAt !== undefined && worker.askAt <= at) return;
    worker.askAt = at;
    plan(at, (then) => (worker.askAt === then ? ask(number, then) : undefined));
  }

  for (const call of calls) {
    plan(virtualStart + call.at, (at) => {
      const worker = workers.get(call.worker) ?? { waiting: [], ended: [], askAt: undefined };
      workers.set(call.worker, worker);
      worker.waiting.push(call);
      return ask(call.worker, at);
    });
  }
  while (events.length > 0) {
    events.sort((a, b) => a.at - b.at);
    const next = events.shift();
    await next?.run(next.at);
  }
  return made;
}

/** The most calls that were received within one second, wherever it begins. */
export function mostInASecond(receivedAt: readonly number[]): number {
  const sorted = receivedAt.toSorted((a, b) => a - b);
  let first = 0;
  return sorted.reduce((most, at, index) => {
    while (at - (sorted[first] ?? at) >= 1_000) first += 1;
    return Math.max(most, index - first + 1);
  }, 0);
}
