import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { sha256 } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signer } from '../ports/signer.ts';
import type { KmsKeySource } from '../rules/rule-set.ts';
import { callOpenApi, type OpenApiTimeouts } from './call-openapi.ts';
import { managementEndpoint } from './endpoint.ts';
import { keySessionPolicy } from './key-session-policy.ts';
import type { RenewalMargins } from './renewed-secret.ts';
import { createRoleChain } from './role-chain.ts';
import type { CredentialsSource } from './sts-credentials.ts';

export interface KmsKeyOptions {
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

/** What KMS says of a key, in its own words. */
interface KmsKeyDescription {
  /** `RSA_2048`, `RSA_3072`, `EC_P256`, … */
  readonly spec: string;
  /** `SIGN/VERIFY` or `ENCRYPT/DECRYPT`. */
  readonly usage: string;
  /** `Enabled`, `Disabled`, `PendingDeletion` or `PendingImport`. */
  readonly state: string;
}

/** One pinned version of a key in Alibaba Cloud KMS. */
export interface KmsKey extends Signer {
  /** PEM, SPKI; throws as `sign` does. */
  getPublicKey(): Promise<string>;
  /** Throws as `sign` does. */
  describe(): Promise<KmsKeyDescription>;
}

const version = '2016-01-20';

const pinned = { KeyId: z.string(), KeyVersionId: z.string(), RequestId: z.string() };
const SignAnswer = z.object({ ...pinned, Value: z.base64().min(1) });
const PublicKeyAnswer = z.object({ ...pinned, PublicKey: z.string().includes('BEGIN PUBLIC KEY') });
const DescribeAnswer = z.object({
  KeyMetadata: z.object({ KeyId: z.string(), KeySpec: z.string(), KeyUsage: z.string(), KeyState: z.string() }),
});

/**
 * A key in KMS, reached through its role with a session that may use this one key only. Calls are made once; who calls
 * decides on retries.
 * @throws AutosignError `rules-invalid` for a malformed role ARN
 */
export function createKmsKey({ source, base, clock, timeouts, onCall, margins }: KmsKeyOptions): KmsKey {
  const policy = keySessionPolicy(source);
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

  async function call<Answer>(
    action: string,
    query: Record<string, string>,
    schema: z.ZodType<Answer>,
  ): Promise<Answer> {
    const credentials = await role.credentials();
    const endpoint = action === 'DescribeKey' ? managementEndpoint(source.endpoint, source.region) : source.endpoint;
    const ca = endpoint === source.endpoint ? await readAuthority(source) : undefined;
    try {
      const body = await callOpenApi({
        endpoint,
        action,
        version,
        query: { KeyId: source.keyId, ...query },
        credentials,
        timeouts,
        ca,
      });
      const answer = parseAnswer(body, schema, action, endpoint);
      onCall?.({ action, outcome: 'ok' });
      return answer;
    } catch (error) {
      onCall?.({ action, outcome: isAutosignError(error, 'kms-throttled') ? 'throttled' : 'failed' });
      if (isAutosignError(error, 'credentials-missing')) role.forget(credentials);
      throw error;
    }
  }

  return {
    async sign(algorithm, message) {
      const query = {
        KeyVersionId: source.keyVersionId,
        Algorithm: algorithm,
        // AsymmetricSign takes the digest, never the message.
        Digest: Buffer.from(sha256(message)).toString('base64'),
      };
      const answer = await call('AsymmetricSign', query, SignAnswer);
      checkPinned(source, answer, 'AsymmetricSign');
      return { signature: Buffer.from(answer.Value, 'base64'), requestId: answer.RequestId };
    },
    async getPublicKey() {
      const answer = await call('GetPublicKey', { KeyVersionId: source.keyVersionId }, PublicKeyAnswer);
      checkPinned(source, answer, 'GetPublicKey');
      return answer.PublicKey;
    },
    async describe() {
      const { KeyMetadata: key } = await call('DescribeKey', {}, DescribeAnswer);
      checkPinned(source, { KeyId: key.KeyId, KeyVersionId: source.keyVersionId }, 'DescribeKey');
      return { spec: key.KeySpec, usage: key.KeyUsage, state: key.KeyState };
    },
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

/** KMS resolves aliases; a rule pins one version of one key, and nothing else may answer in its place. */
function checkPinned(source: KmsKeySource, answer: { KeyId: string; KeyVersionId: string }, action: string): void {
  if (answer.KeyId === source.keyId && answer.KeyVersionId === source.keyVersionId) return;
  throw new AutosignError(
    'key-unusable',
    `${action}: asked for key ${source.keyId} version ${source.keyVersionId}, KMS answered for key ${answer.KeyId} version ${answer.KeyVersionId}. Write the key's id itself, not an alias.`,
  );
}

async function readAuthority(source: KmsKeySource): Promise<string | undefined> {
  if (source.caFile === undefined) return undefined;
  try {
    return await readFile(source.caFile, 'utf8');
  } catch (cause) {
    throw new AutosignError('key-unusable', `caFile ${source.caFile} of key ${source.keyId} cannot be read`, { cause });
  }
}
