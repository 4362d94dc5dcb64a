import { resolve } from 'node:path';
import { z } from 'zod';
import { AutosignError } from '../domain/errors.ts';
import { type LogLevel, logLevels } from '../observability/logger.ts';
import { queuesMax } from '../queue/job-options.ts';
import { durationMs, durationPattern } from '../rules/duration.ts';
import { type CrashPoint, crashPoints } from '../signing/crash-points.ts';
import { isNetwork, isOrigin, isRedisUrl } from './setting-values.ts';
import { unknownSettings } from './unknown-settings.ts';

/** What the environment says, checked; times in milliseconds, paths absolute. */
export interface Settings {
  readonly rulesFile: string;
  /** May hold a password: never logged. */
  readonly redisUrl: string | undefined;
  readonly queues: number;
  readonly stateDir: string;
  readonly host: string;
  readonly port: number;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly logLevel: LogLevel;
  readonly concurrency: number;
  readonly shutdownTimeoutMs: number;
  readonly rulesIntervalMs: number;
  readonly trustedProxies: readonly string[];
  readonly reconcileIntervalMs: number;
  readonly triggersIntervalMs: number;
  /** Who may log in to `/ops`; undefined: nobody, and there is no such page. */
  readonly opsUsersFile: string | undefined;
  /** Where browsers reach `/ops` through a proxy; undefined: directly. */
  readonly opsUrl: URL | undefined;
  /** Where a test lets the worker die; undefined in service. */
  readonly testCrashPoint: CrashPoint | undefined;
}

/** Settings of a process that needs Redis. */
export interface ServiceSettings extends Settings {
  readonly redisUrl: string;
}

const required = 'is not set';

const port = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'expected a port, 0 to 65535')
    .transform(Number)
    .refine((number) => number <= 65_535, 'expected a port, 0 to 65535')
    .default(fallback);

const duration = (fallback: string, least: string, most: string) => {
  const expected = `expected a duration from ${least} to ${most}, written like ${fallback}`;
  return z
    .string()
    .regex(durationPattern, { error: expected, abort: true })
    .transform(durationMs)
    .refine((ms) => ms >= durationMs(least) && ms <= durationMs(most), expected)
    .default(durationMs(fallback));
};

const queuesExpected = `expected a whole number, 1 to ${queuesMax}`;
const address = z.string().regex(/^[\w.:-]{1,255}$/, 'expected an IP address or a host name of this machine');

/** Every setting: what its text must be, and its default. `.env.example` says what each is for. */
const Environment = z.object({
  AUTOSIGN_RULES: z.string({ error: `${required}; expected the path of the rules file` }),
  AUTOSIGN_REDIS_URL: z
    .string()
    .refine(
      isRedisUrl,
      'expected redis://HOST[:PORT] or rediss://HOST[:PORT], with USER:PASSWORD@ where needed; a cluster: several HOST:PORT joined by commas, or one with ?cluster=true, and no database',
    )
    .optional(),
  AUTOSIGN_QUEUES: z
    .string()
    .regex(/^[1-9]\d?$/, { error: queuesExpected, abort: true })
    .transform(Number)
    .refine((count) => count <= queuesMax, queuesExpected)
    .default(1),
  AUTOSIGN_STATE_DIR: z.string().default('.autosign'),
  AUTOSIGN_HOST: address.default('127.0.0.1'),
  AUTOSIGN_PORT: port(8080),
  AUTOSIGN_ADMIN_HOST: address.default('127.0.0.1'),
  AUTOSIGN_ADMIN_PORT: port(9090),
  AUTOSIGN_LOG_LEVEL: z.enum(logLevels, { error: `expected one of ${logLevels.join(', ')}` }).default('info'),
  AUTOSIGN_CONCURRENCY: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, { error: 'expected a whole number, 1 to 256', abort: true })
    .transform(Number)
    .refine((count) => count <= 256, 'expected a whole number, 1 to 256')
    .default(16),
  AUTOSIGN_SHUTDOWN_TIMEOUT: duration('30s', '1s', '15m'),
  AUTOSIGN_RULES_INTERVAL: duration('2s', '1s', '1h'),
  AUTOSIGN_RECONCILE_INTERVAL: duration('15m', '1s', '24h'),
  AUTOSIGN_TRIGGERS_INTERVAL: duration('1h', '1s', '24h'),
  AUTOSIGN_OPS_USERS_FILE: z.string().optional(),
  AUTOSIGN_OPS_URL: z
    .string()
    .refine(isOrigin, 'expected https://HOST[:PORT], or http://HOST[:PORT], without a path')
    .transform((text) => new URL(text))
    .optional(),
  AUTOSIGN_TEST_CRASH_POINT: z
    .enum(crashPoints, { error: `for tests only; expected one of ${crashPoints.join(', ')}` })
    .optional(),
  AUTOSIGN_TRUSTED_PROXIES: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine((parts) => parts.every(isNetwork), 'expected IP addresses or networks like 10.0.0.0/8, joined by commas')
    .default([]),
});

const ServiceEnvironment = Environment.required({ AUTOSIGN_REDIS_URL: true });

/** The name of every setting. */
export const settingNames: readonly string[] = Object.keys(Environment.shape);

/**
 * Reads the settings of a command; an empty variable counts as not set.
 * @throws AutosignError `settings-invalid`, with a line for every wrong setting: its name and what is expected, never
 * its value
 */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return toSettings(check(Environment, environment));
}

/** Like `readSettings`; Redis must be named too. */
export function readServiceSettings(environment: NodeJS.ProcessEnv): ServiceSettings {
  const checked = check(ServiceEnvironment, environment);
  return { ...toSettings(checked), redisUrl: checked.AUTOSIGN_REDIS_URL };
}

/**
 * Reads what a command needs that talks to Redis alone.
 * @throws AutosignError `settings-invalid`
 */
export function readRedisUrl(environment: NodeJS.ProcessEnv): string {
  return check(ServiceEnvironment.pick({ AUTOSIGN_REDIS_URL: true }), environment).AUTOSIGN_REDIS_URL;
}

/**
 * Reads what a command needs that looks into the queues and at nothing else.
 * @throws AutosignError `settings-invalid`
 */
export function readQueueSettings(environment: NodeJS.ProcessEnv): Pick<ServiceSettings, 'redisUrl' | 'queues'> {
  const schema = ServiceEnvironment.pick({ AUTOSIGN_REDIS_URL: true, AUTOSIGN_QUEUES: true });
  const checked = check(schema, environment);
  return { redisUrl: checked.AUTOSIGN_REDIS_URL, queues: checked.AUTOSIGN_QUEUES };
}

/** Likewise, of a command that can do without Redis. */
export function readOptionalQueueSettings(environment: NodeJS.ProcessEnv): Pick<Settings, 'redisUrl' | 'queues'> {
  const checked = check(Environment.pick({ AUTOSIGN_REDIS_URL: true, AUTOSIGN_QUEUES: true }), environment);
  return { redisUrl: checked.AUTOSIGN_REDIS_URL, queues: checked.AUTOSIGN_QUEUES };
}

/** What `doctor --live` needs: where receivers keep what it asks for, and where its signatures are written down. */
export type LiveSettings = Pick<ServiceSettings, 'redisUrl' | 'stateDir'>;

/**
 * Reads them.
 * @throws AutosignError `settings-invalid`
 */
export function readLiveSettings(environment: NodeJS.ProcessEnv): LiveSettings {
  const schema = ServiceEnvironment.pick({ AUTOSIGN_REDIS_URL: true, AUTOSIGN_STATE_DIR: true });
  const checked = check(schema, environment);
  return { redisUrl: checked.AUTOSIGN_REDIS_URL, stateDir: resolve(checked.AUTOSIGN_STATE_DIR) };
}

function check<Output>(schema: z.ZodType<Output>, environment: NodeJS.ProcessEnv): Output {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  const wrong = parsed.success ? [] : parsed.error.issues.map(describe);
  const problems = [...wrong, ...unknownSettings(given, settingNames)];
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new AutosignError('settings-invalid', ['Wrong settings:', ...problems].join('\n  '));
}

function describe({ path, message, code }: z.core.$ZodIssue): string {
  const name = path.join('.');
  const missingRedis = name === 'AUTOSIGN_REDIS_URL' && code === 'invalid_type';
  return `${name}: ${missingRedis ? `${required}; expected redis://HOST[:PORT] or rediss://HOST[:PORT]` : message}`;
}

function toSettings(checked: z.output<typeof Environment>): Settings {
  return {
    rulesFile: resolve(checked.AUTOSIGN_RULES),
    redisUrl: checked.AUTOSIGN_REDIS_URL,
    queues: checked.AUTOSIGN_QUEUES,
    stateDir: resolve(checked.AUTOSIGN_STATE_DIR),
    host: checked.AUTOSIGN_HOST,
    port: checked.AUTOSIGN_PORT,
    adminHost: checked.AUTOSIGN_ADMIN_HOST,
    adminPort: checked.AUTOSIGN_ADMIN_PORT,
    logLevel: checked.AUTOSIGN_LOG_LEVEL,
    concurrency: checked.AUTOSIGN_CONCURRENCY,
    shutdownTimeoutMs: checked.AUTOSIGN_SHUTDOWN_TIMEOUT,
    rulesIntervalMs: checked.AUTOSIGN_RULES_INTERVAL,
    trustedProxies: checked.AUTOSIGN_TRUSTED_PROXIES,
    reconcileIntervalMs: checked.AUTOSIGN_RECONCILE_INTERVAL,
    triggersIntervalMs: checked.AUTOSIGN_TRIGGERS_INTERVAL,
    opsUsersFile: checked.AUTOSIGN_OPS_USERS_FILE === undefined ? undefined : resolve(checked.AUTOSIGN_OPS_USERS_FILE),
    opsUrl: checked.AUTOSIGN_OPS_URL,
    testCrashPoint: checked.AUTOSIGN_TEST_CRASH_POINT,
  };
}
