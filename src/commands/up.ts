import { createLogger, type Logger } from '../observability/logger.ts';
import { startPrivateRedis } from './private-redis.ts';
import { type Running, runUntilSignal } from './run-until-signal.ts';
import { startServe } from './serve.ts';
import { readSettings, type Settings } from './settings.ts';
import { startWork } from './work.ts';

/** Receives and works until a signal ends it. */
export async function runUp(): Promise<void> {
  const settings = readSettings(process.env);
  const logger = createLogger({ level: settings.logLevel });
  const start = () => startUp(settings, logger);
  await runUntilSignal({ start, timeoutMs: settings.shutdownTimeoutMs, logger });
}

async function startUp(settings: Settings, logger: Logger): Promise<Running> {
  // Closed in reverse order; what has started is closed too when a later part does not start.
  const started: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const stop of started.toReversed()) await stop();
  };
  try {
    let { redisUrl } = settings;
    if (redisUrl === undefined) {
      const redis = await startPrivateRedis(settings.stateDir);
      started.push(redis.stop);
      redisUrl = redis.redisUrl;
      logger.warn({ stateDir: settings.stateDir }, 'private Redis started: for trying out, not for production');
    }
    started.push((await startWork({ ...settings, redisUrl }, logger)).close);
    started.push((await startServe({ ...settings, redisUrl }, logger)).close);
    return { close };
  } catch (error) {
    await close();
    throw error;
  }
}
