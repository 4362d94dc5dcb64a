import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess } from '../../infra/processes/start-process.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { sampleConfig } from '../emulator/sample-config.ts';
import { startEmulator } from '../emulator/start-emulator.ts';
import { type Scenario, scaled } from './scenario.ts';
import { withParts } from './with-parts.ts';

const workers = 4;
const perSecond = 198;
const granted = 200;
const kmsMs = 20;
const usedAim = 190;
const throttledAim = 0.01;
// From the burst of the start to a steady flow.
const settleMs = 3_000;
const processTimeoutMs = 60_000;
const program = join(import.meta.dirname, 'quota-worker.ts');

interface Measured {
  readonly seconds: number;
  readonly signed: number;
  readonly throttled: number;
  /** Of all four, from start to end. */
  readonly calls: number;
  readonly exchanges: number;
}

/** How much of the KMS quota four processes use together, and how often KMS throttles them. */
export const quota: Scenario = {
  name: 'quota',
  run: async (context) => {
    const measured = await measure(scaled(60, context, 1));
    const { seconds, signed, throttled, calls, exchanges } = measured;
    const used = signed / seconds;
    const share = throttled / (signed + throttled);
    context.log(`${used.toFixed(1)} calls/s, ${(share * 100).toFixed(2)} % throttled`);
    return {
      title: 'The KMS quota',
      text: [
        `${workers} processes with 16 calls at once each, which take places in the quota in Redis and have the emulator sign, as fast as they get places; no registry, no queue. \`perSecond\` is ${perSecond}; the emulator grants an account ${granted} calls in any second and answers after ${kmsMs} ms; counted over ${seconds.toFixed(0)} s, after ${settleMs / 1_000} s of running. A place counts until a second after the answer, so a slower KMS leaves less to use.`,
      ],
      ratios: [
        {
          what: `calls of KMS a second, of ${perSecond}`,
          measured: used.toFixed(1),
          against: `${granted} that KMS grants`,
          ratio: used / granted,
          aim: `${usedAim}/s`,
          reached: used >= usedAim,
        },
        {
          what: 'calls that KMS throttles',
          measured: `${(share * 100).toFixed(2)} %`,
          against: 'all calls',
          aim: 'below 1 %',
          reached: share < throttledAim,
        },
      ],
      table: {
        head: ['seconds', 'signed', 'throttled', 'requests to Redis a call'],
        rows: [[seconds.toFixed(0), signed, throttled, (exchanges / calls).toFixed(2)]],
      },
      counts: { throttled, signed },
    };
  },
};

function measure(seconds: number): Promise<Measured> {
  return withParts(async (keep) => {
    const redis = keep(await startRedis({ appendOnly: true }));
    const { config, accessKeySecret } = sampleConfig();
    const emulator = await startEmulator(config);
    keep({ stop: () => emulator.close() });
    Object.assign(emulator.faults, { signaturesPerSecond: granted, latencyMs: kmsMs });
    const env = {
      KMS_URL: emulator.url,
      KMS_SECRET: accessKeySecret,
      REDIS_URL: redis.url,
      PER_SECOND: String(perSecond),
    };
    const command = process.execPath;
    const started = await Promise.all(
      Array.from({ length: workers }, () =>
        startProcess({ command, args: [program], env, timeoutMs: processTimeoutMs }),
      ),
    );
    for (const one of started) keep(one);
    await Promise.all(started.map((one) => one.waitForLine((line) => line === 'ready', 60_000)));
    await sleep(settleMs);
    const before = countSignatures(emulator.calls);
    const startedAt = performance.now();
    await sleep(seconds * 1_000);
    const elapsed = (performance.now() - startedAt) / 1_000;
    const after = countSignatures(emulator.calls);
    const ends = await Promise.all(
      started.map(async (one) => {
        const line = one.waitForLine((text) => text.startsWith('{'), 30_000);
        one.endInput();
        return JSON.parse(await line) as { readonly calls: number; readonly exchanges: number };
      }),
    );
    return {
      seconds: elapsed,
      signed: after.signed - before.signed,
      throttled: after.throttled - before.throttled,
      calls: ends.reduce((sum, { calls }) => sum + calls, 0),
      exchanges: ends.reduce((sum, end) => sum + end.exchanges, 0),
    };
  });
}

function countSignatures(calls: readonly { readonly action: string; readonly status: number }[]) {
  const signatures = calls.filter(({ action }) => action === 'AsymmetricSign');
  const signed = signatures.filter(({ status }) => status === 200).length;
  return { signed, throttled: signatures.length - signed };
}
