import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 50;

/** Asks until the answer is `wanted`; the last answer is in the error when that takes longer than `timeoutMs`. */
export async function waitUntil<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > giveUpAt) throw new Error(`not within ${timeoutMs} ms; last: ${JSON.stringify(answer)}`);
    await sleep(pollMs);
  }
}
