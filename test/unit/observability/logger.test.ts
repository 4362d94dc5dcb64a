import { describe, expect, test } from 'vitest';
import { createLogger } from '../../../src/observability/logger.ts';

function recordingLogger() {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } });
  return { logger, lines };
}

describe('the logger', () => {
  test('writes one JSON line with level, time and fields', () => {
    const { logger, lines } = recordingLogger();
    logger.info({ registry: 'prod' }, 'push event queued');
    logger.debug('below the level');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', registry: 'prod', msg: 'push event queued' });
    expect(JSON.parse(lines[0] ?? '').time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test('masks what could be a secret, also one level down', () => {
    const { logger, lines } = recordingLogger();
    logger.info(
      { token: 'hunter2', redisUrl: 'hunter2', request: { url: '/hunter2', headers: { x: 'hunter2' } } },
      'x',
    );
    expect(lines.join()).not.toContain('hunter2');
    expect(lines.join()).toContain('[masked]');
  });

  test('keeps message, code and causes of an error, nothing that hangs on it', () => {
    const { logger, lines } = recordingLogger();
    const cause = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['hunter2'] } });
    const error = Object.assign(new Error('Redis has not confirmed', { cause }), {
      code: 'redis-unreachable',
      rawPacket: Buffer.from('hunter2'),
    });
    logger.error({ err: error }, 'request failed');
    const { err } = JSON.parse(lines[0] ?? '');
    expect(err).toMatchObject({ message: 'Redis has not confirmed', code: 'redis-unreachable' });
    expect(err.cause).toMatchObject({ message: 'WRONGPASS' });
    expect(lines.join()).not.toMatch(/hunter2|rawPacket|args/);
  });

  test('ends a chain of causes that is circular', () => {
    const { logger, lines } = recordingLogger();
    const error = new Error('round');
    error.cause = error;
    logger.error({ err: error }, 'request failed');
    expect(lines).toHaveLength(1);
  });
});
