import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readServiceSettings, readSettings, settingNames } from '../../../src/commands/settings.ts';
import { AutosignError } from '../../../src/domain/errors.ts';

const minimal = { AUTOSIGN_RULES: 'rules.yaml', AUTOSIGN_REDIS_URL: 'redis://127.0.0.1:6379' };

function problemsOf(environment: NodeJS.ProcessEnv, read: (env: NodeJS.ProcessEnv) => unknown = readServiceSettings) {
  try {
    read(environment);
  } catch (error) {
    if (error instanceof AutosignError && error.code === 'settings-invalid') return error.message;
    throw error;
  }
  return undefined;
}

describe('settings that are right', () => {
  test('have their defaults, with times in milliseconds and absolute paths', () => {
    expect(readServiceSettings(minimal)).toEqual({
      rulesFile: resolve('rules.yaml'),
      redisUrl: 'redis://127.0.0.1:6379',
      queues: 1,
      stateDir: resolve('.autosign'),
      host: '127.0.0.1',
      port: 8080,
      adminHost: '127.0.0.1',
      adminPort: 9090,
      logLevel: 'info',
      concurrency: 16,
      shutdownTimeoutMs: 30_000,
      rulesIntervalMs: 2_000,
      trustedProxies: [],
      reconcileIntervalMs: 900_000,
      triggersIntervalMs: 3_600_000,
      opsUsersFile: undefined,
      opsUrl: undefined,
      testCrashPoint: undefined,
    });
  });

  test('are taken over when given', () => {
    const given = {
      ...minimal,
      AUTOSIGN_REDIS_URL: 'rediss://user:secret@redis.example.com:6380/2',
      AUTOSIGN_HOST: '0.0.0.0',
      AUTOSIGN_QUEUES: '64',
      AUTOSIGN_PORT: '0',
      AUTOSIGN_SHUTDOWN_TIMEOUT: '2m',
      AUTOSIGN_CONCURRENCY: '256',
      AUTOSIGN_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
      AUTOSIGN_OPS_USERS_FILE: 'users.txt',
      AUTOSIGN_OPS_URL: 'https://ops.example.com',
    };
    expect(readServiceSettings(given)).toMatchObject({
      redisUrl: 'rediss://user:secret@redis.example.com:6380/2',
      queues: 64,
      host: '0.0.0.0',
      port: 0,
      shutdownTimeoutMs: 120_000,
      concurrency: 256,
      trustedProxies: ['10.0.0.0/8', '::1'],
      opsUsersFile: resolve('users.txt'),
      opsUrl: new URL('https://ops.example.com'),
    });
  });

  test('count as not set when empty', () => {
    expect(readSettings({ ...minimal, AUTOSIGN_REDIS_URL: '', AUTOSIGN_PORT: '' })).toMatchObject({
      redisUrl: undefined,
      port: 8080,
    });
  });

  test('may lack Redis only where none is needed', () => {
    expect(readSettings({ AUTOSIGN_RULES: 'rules.yaml' }).redisUrl).toBeUndefined();
    expect(problemsOf({ AUTOSIGN_RULES: 'rules.yaml' })).toContain('AUTOSIGN_REDIS_URL: is not set; expected redis://');
  });
});

describe('a wrong setting is reported by name with what is expected', () => {
  test.each([
    ['AUTOSIGN_RULES', undefined, 'is not set; expected the path of the rules file'],
    ['AUTOSIGN_REDIS_URL', 'http://127.0.0.1', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'localhost:6379', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'redis://', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'redis://host/one', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'redis://one:7000,two:7000/1', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'redis://one:7000,', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'redis://one:7000,redis://two:7000', 'expected redis://HOST'],
    ['AUTOSIGN_REDIS_URL', 'redis://one/2?cluster=true', 'no database'],
    ['AUTOSIGN_REDIS_URL', '/run/redis.sock', 'expected redis://HOST'],
    ['AUTOSIGN_QUEUES', '0', 'expected a whole number, 1 to 64'],
    ['AUTOSIGN_QUEUES', '65', 'expected a whole number, 1 to 64'],
    ['AUTOSIGN_QUEUES', 'many', 'expected a whole number, 1 to 64'],
    ['AUTOSIGN_HOST', 'http://0.0.0.0', 'expected an IP address or a host name'],
    ['AUTOSIGN_PORT', '65536', 'expected a port, 0 to 65535'],
    ['AUTOSIGN_PORT', 'tcp://10.0.0.1:8080', 'expected a port, 0 to 65535'],
    ['AUTOSIGN_ADMIN_HOST', 'a b', 'expected an IP address or a host name'],
    ['AUTOSIGN_ADMIN_PORT', '-1', 'expected a port, 0 to 65535'],
    ['AUTOSIGN_LOG_LEVEL', 'verbose', 'expected one of trace, debug, info'],
    ['AUTOSIGN_CONCURRENCY', '0', 'expected a whole number, 1 to 256'],
    ['AUTOSIGN_CONCURRENCY', '257', 'expected a whole number, 1 to 256'],
    ['AUTOSIGN_SHUTDOWN_TIMEOUT', '30', 'expected a duration from 1s to 15m, written like 30s'],
    ['AUTOSIGN_SHUTDOWN_TIMEOUT', '16m', 'expected a duration from 1s to 15m'],
    ['AUTOSIGN_RULES_INTERVAL', '2 s', 'expected a duration from 1s to 1h, written like 2s'],
    ['AUTOSIGN_TRUSTED_PROXIES', '10.0.0.0/33', 'expected IP addresses or networks'],
    ['AUTOSIGN_TRUSTED_PROXIES', '10.0.0.1,,10.0.0.2', 'expected IP addresses or networks'],
    ['AUTOSIGN_TRUSTED_PROXIES', 'proxy.example.com', 'expected IP addresses or networks'],
    ['AUTOSIGN_OPS_URL', 'ops.example.com', 'expected https://HOST[:PORT]'],
    ['AUTOSIGN_OPS_URL', 'https://ops.example.com/ops', 'without a path'],
    ['AUTOSIGN_OPS_URL', 'https://user:hunter2@ops.example.com', 'expected https://HOST[:PORT]'],
    ['AUTOSIGN_OPS_URL', 'ftp://ops.example.com', 'expected https://HOST[:PORT]'],
    ['AUTOSIGN_LOGLEVEL', 'info', 'there is no such setting; did you mean AUTOSIGN_LOG_LEVEL?'],
    ['AUTOSIGN_LAB_PASSWORD', 'hunter2', 'variables of your own must not begin with AUTOSIGN_'],
    ['AUTOSIGN_SERVICE_HOST', '10.0.0.1', 'enableServiceLinks: false'],
    ['AUTOSIGN_PORT_8080_TCP_ADDR', '10.0.0.1', 'enableServiceLinks: false'],
  ])('%s=%s', (name, value, expected) => {
    const message = problemsOf({ ...minimal, [name]: value });
    expect(message?.split('\n')).toHaveLength(2);
    expect(message).toContain(`${name}: `);
    expect(message).toContain(expected);
  });

  test('all at once', () => {
    const message = problemsOf({
      AUTOSIGN_PORT: 'x',
      AUTOSIGN_QUEUES: '300',
      AUTOSIGN_LOG_LEVEL: 'loud',
      AUTOSIGN_RULE: 'a',
    });
    for (const name of ['RULES', 'REDIS_URL', 'PORT', 'QUEUES', 'LOG_LEVEL', 'RULE']) {
      expect(message).toContain(`\n  AUTOSIGN_${name}: `);
    }
  });

  test('without its value, which may hold a secret', () => {
    const message = problemsOf({
      ...minimal,
      AUTOSIGN_REDIS_URL: 'rediss//u:hunter2@host',
      AUTOSIGN_PASSWORD: 'hunter2',
    });
    expect(message).toContain('AUTOSIGN_REDIS_URL');
    expect(message).not.toContain('hunter2');
  });
});

describe('.env.example', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');
  const everything = parseEnv(text.replaceAll(/^# (AUTOSIGN_\w+=)/gm, '$1'));

  test('has every setting and nothing else', () => {
    expect(Object.keys(everything).sort()).toEqual([...settingNames].sort());
  });

  test('shows the defaults', () => {
    expect(readServiceSettings(everything as NodeJS.ProcessEnv)).toEqual(
      readServiceSettings(parseEnv(text) as NodeJS.ProcessEnv),
    );
  });
});
