import type { RedisServerFacts } from '../queue/redis-facts.ts';
import { type Check, failure, ok, type Verdict, warning } from './check.ts';

export interface RedisCheckOptions {
  /** @throws AutosignError `redis-unreachable` */
  readonly read: () => Promise<readonly RedisServerFacts[]>;
}

// BullMQ needs commands of this version.
const versionLeast = [6, 2] as const;

/** Whether queued pushes survive a full and a restarted Redis. */
export function redisChecks({ read }: RedisCheckOptions): readonly Check[] {
  return [
    {
      area: 'redis',
      subject: 'queue',
      run: async () => (await read()).flatMap(verdictsOf),
    },
  ];
}

function verdictsOf({ server, version, evictionPolicy, appendOnly }: RedisServerFacts): readonly Verdict[] {
  return [versionVerdict(version), evictionVerdict(evictionPolicy), persistenceVerdict(appendOnly)].map((verdict) => ({
    ...verdict,
    detail: `${server}: ${verdict.detail}`,
  }));
}

function versionVerdict(version: string | undefined): Verdict {
  if (version === undefined) return warning('does not tell its version', 'See to it that it is Redis 6.2 or newer.');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < versionLeast[0] || (major === versionLeast[0] && minor < versionLeast[1]);
  return isOld ? failure(`Redis ${version}`, 'Use Redis 6.2 or newer, Valkey or Tair.') : ok(`Redis ${version}`);
}

function evictionVerdict(policy: string | undefined): Verdict {
  const next = 'Set maxmemory-policy to noeviction: with any other one a full Redis drops queued pushes silently.';
  if (policy === undefined) return warning('does not tell what it does when it is full', next);
  return policy === 'noeviction'
    ? ok('refuses writes when it is full')
    : failure(`maxmemory-policy is ${policy}`, next);
}

function persistenceVerdict(appendOnly: boolean | undefined): Verdict {
  const next =
    'Set appendonly yes. Until then a restart loses queued pushes, and the reconcile after it is what signs them.';
  if (appendOnly === undefined) return warning('does not tell whether it keeps data over a restart', next);
  return appendOnly ? ok('keeps an append-only file') : warning('keeps no append-only file', next);
}
