import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessOptions, RunningProcess } from './start-process.ts';

// Short, so that a start is not made slower by the asking; a probe of a port that is not open yet costs nothing.
const probeIntervalMs = 50;
const probeTimeoutMs = 2_000;

/**
 * Waits for the line or the URL of `options.ready`.
 * @throws Error with the last lines of the output when the process ends first or `options.timeoutMs` is over
 */
export async function waitUntilReady(started: RunningProcess, options: ProcessOptions): Promise<void> {
  const { ready, timeoutMs, command } = options;
  if (ready === undefined) return;
  try {
    if ('line' in ready) {
      await started.waitForLine(ready.line, timeoutMs);
      return;
    }
    await waitForUrl(started, ready.url, timeoutMs);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${command} did not start: ${reason}`, { cause });
  }
}

async function waitForUrl(started: RunningProcess, url: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let ended = false;
  void started.exited.then(() => {
    ended = true;
  });
  while (!ended && Date.now() < deadline) {
    if (await answers(url)) return;
    await delay(probeIntervalMs);
  }
  const reason = ended ? 'the process ended' : `no answer in ${timeoutMs} ms`;
  throw new Error(
    `${reason} at ${url}; its last lines:\n${[...started.stdout, ...started.stderr].slice(-20).join('\n')}`,
  );
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs), redirect: 'manual' });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
