import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

/** A structured logger: a static message with fields. */
export type Logger = PinoLogger;

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where lines go; standard output when absent. */
  readonly destination?: DestinationStream;
}

// Field names that could carry a secret, at the top and one level down. Nothing logs them on purpose; this catches
// the field that somebody adds later.
const secretFields = [
  'accessKeyId',
  'accessKeySecret',
  'authorization',
  'Authorization',
  'headers',
  'password',
  'redisUrl',
  'securityToken',
  'token',
  'url',
];

// An error that wraps an error that wraps …: deep enough for every chain of ours, and an end for a circular one.
const causeDepthMax = 5;

/** Writes one JSON line an entry, with the level's name and an ISO 8601 time in UTC; secrets are masked. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[masked]' },
    serializers: { err: (error: unknown) => describeError(error, causeDepthMax) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/**
 * Only what an error says, never what hangs on it: clients attach whole commands and requests (ioredis `command.args`
 * holds the password of AUTH, Node's `rawPacket` the request line with the webhook token).
 */
function describeError(error: unknown, depth: number): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    stack,
    ...(cause !== undefined && depth > 0 && { cause: describeError(cause, depth - 1) }),
  };
}
