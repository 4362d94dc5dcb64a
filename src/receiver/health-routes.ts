import { basename } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { SignQueue } from '../queue/sign-queue.ts';
import type { RuleSet } from '../rules/rule-set.ts';

/** Why the rules on disk are not those in use. */
export interface RulesRefusal {
  /** A line `file:line: …` for each problem. */
  readonly message: string;
  readonly since: Date;
}

export interface HealthOptions {
  readonly rules: () => RuleSet;
  readonly rulesRefused: () => RulesRefusal | undefined;
  readonly queue: Pick<SignQueue, 'check'>;
}

export const healthPath = '/healthz';
export const readinessPath = '/readyz';

/**
 * `/healthz`: the process answers. `/readyz`: it can take events, 200 or 503. A refused rules file does not make it
 * unready, because the last good one is in use and a bad file would otherwise take every replica out at once.
 */
export function addHealthRoutes(app: FastifyInstance, { rules, rulesRefused, queue }: HealthOptions): void {
  const check = onceASecond(() => queue.check());
  app.get(healthPath, async () => ({ alive: true }));

  app.get(readinessPath, async (_request, reply) => {
    const redis = await check();
    const ready = redis.reachable && redis.noeviction;
    const refusal = rulesRefused();
    return reply.code(ready ? 200 : 503).send({
      ready,
      redis,
      rules: {
        loaded: true,
        hash: rules().hash,
        ...(refusal !== undefined && {
          refused: { at: placesIn(refusal.message), since: refusal.since.toISOString() },
        }),
      },
    });
  });
}

const answerKeptMs = 1_000;

/** This door may be open to the Internet: whoever asks a thousand times makes us ask Redis once. */
function onceASecond<T>(ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly answer: Promise<T>; readonly askedAt: number } | undefined;
  return () => {
    const now = performance.now();
    if (last === undefined || now - last.askedAt > answerKeptMs) last = { answer: ask(), askedAt: now };
    return last.answer;
  };
}

/**
 * The files and lines that a refusal names. This door may be open to the Internet, so directories, and the reasons,
 * which quote the file, are left to the log.
 */
function placesIn(message: string): readonly string[] {
  const places = message.split('\n').flatMap((line) => {
    const [, file, lineNumber] = /^\s*(\S.*?):(\d+):/.exec(line) ?? [];
    return file === undefined ? [] : [`${basename(file)}:${lineNumber}`];
  });
  return places.length > 0 ? [...new Set(places)] : ['the rules file: see the log'];
}
