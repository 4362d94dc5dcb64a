import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { KmsKeySource } from '../rules/rule-set.ts';
import { callOpenApi, type OpenApiTimeouts } from './call-openapi.ts';
import { isManagementAction, managementEndpoint } from './endpoint.ts';
import type { RenewalMargins } from './renewed-secret.ts';
import { createRoleChain } from './role-chain.ts';
import type { CredentialsSource } from './sts-credentials.ts';

export interface KmsCallerOptions {
  readonly source: KmsKeySource;
  /** The worker's own identity, which assumes the key's role. */
  readonly base: CredentialsSource;
  readonly clock: Clock;
  readonly timeouts: OpenApiTimeouts;
  /** Told of each call that was sent to KMS, for the metrics. */
  readonly onCall?: ((call: KmsCall) => void) | undefined;
  /** When the role's sessions are renewed; `renewalMargins` unless it is given. */
  readonly margins?: RenewalMargins | undefined;
}

/** One call to KMS, answered or not. */
export interface KmsCall {
  readonly action: string;
  readonly outcome: 'ok' | 'throttled' | 'failed';
}

/** Calls one action, once; who calls decides on retries. */
export type CallKms = <Answer>(
  action: string,
  query: Readonly<Record<string, string>>,
  schema: z.ZodType<Answer>,
) => Promise<Answer>;

const version = '2016-01-20';

/** Calls KMS in a session of the key's role that may do what `policy` (JSON) says. */
export function createKmsCaller(options: KmsCallerOptions, policy: string): CallKms {
  const { source, base, clock, timeouts, onCall, margins } = options;
  const { roleArn, externalId, via, sessionSeconds, stsEndpoint } = source;
  const role = createRoleChain({
    base,
    via,
    role: { roleArn, externalId },
    policy,
    sessionSeconds,
    stsEndpoint,
    clock,
    timeouts,
    margins,
  });
  return async (action, query, schema) => {
    const credentials = await role.credentials();
    const endpoint = isManagementAction(action) ? managementEndpoint(source) : source.endpoint;
    const ca = endpoint === source.endpoint ? await readAuthority(source) : undefined;
    try {
      const body = await callOpenApi({ endpoint, action, version, query, credentials, timeouts, ca });
      const answer = parseAnswer(body, schema, action, endpoint);
      onCall?.({ action, outcome: 'ok' });
      return answer;
    } catch (error) {
      onCall?.({ action, outcome: isAutosignError(error, 'kms-throttled') ? 'throttled' : 'failed' });
      if (isAutosignError(error, 'credentials-missing')) role.forget(credentials);
      throw error;
    }
  };
}

function parseAnswer<Answer>(body: unknown, schema: z.ZodType<Answer>, action: string, endpoint: string): Answer {
  const answer = schema.safeParse(body);
  if (answer.success) return answer.data;
  const where = answer.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new AutosignError('kms-unreachable', `${action} at ${endpoint}: the answer is not as documented (${where})`, {
    cause: answer.error,
  });
}

async function readAuthority(source: KmsKeySource): Promise<string | undefined> {
  if (source.caFile === undefined) return undefined;
  try {
    return await readFile(source.caFile, 'utf8');
  } catch (cause) {
    throw new AutosignError('key-unusable', `caFile ${source.caFile} of key ${source.keyId} cannot be read`, { cause });
  }
}
