import { Command } from 'commander';
import { createLogger, type Logger } from '../observability/logger.ts';
import { startPrivateRedis } from './private-redis.ts';
import { type Running, runUntilSignal } from './run-until-signal.ts';
import { startServe } from './serve.ts';
import { readSettings, type Settings } from './settings.ts';
import { startWork } from './work.ts';

const help = `
For trying out: one process, nothing to set up but a rules file. Without AUTOSIGN_REDIS_URL it starts a Redis of its
own (redis-server must be installed) that keeps its data below AUTOSIGN_STATE_DIR. For production start "serve" and
"work" apart: then the process that faces the network holds no credential.

Examples:
  $ AUTOSIGN_RULES=rules.yaml autosign up

Exit codes:
  0 stopped by SIGTERM or SIGINT  1 failed, or stopped without finishing  2 settings or rules`;

/** `autosign up` */
export function upCommand(): Command {
  return new Command('up')
    .description('serve and work in one process, for trying out')
    .addHelpText('after', help)
    .action(async () => {
      const settings = readSettings(process.env);
      const logger = createLogger({ level: settings.logLevel });
      const start = () => startUp(settings, logger);
      await runUntilSignal({ start, timeoutMs: settings.shutdownTimeoutMs, logger });
    });
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
