import { z } from 'zod';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { tryAgain } from '../domain/try-again.ts';
import { acrFailures, registryFailureOf } from './acr-failures.ts';
import { type AcrLimits, acrLimits } from './acr-limits.ts';
import { callOpenApi, failureOfAnswer, type OpenApiCall } from './call-openapi.ts';
import type { CredentialsSource } from './sts-credentials.ts';

/** Container Registry's OpenAPI 2018-12-01, for one Enterprise Edition instance and one identity. */
export interface AcrApi {
  readonly instanceId: string;
  /** `host[:port]`, for messages. */
  readonly endpoint: string;
  readonly limits: AcrLimits;
  /**
   * Calls one action on the instance.
   * @throws AutosignError `registry-login-refused`, `registry-denied`, `registry-throttled`, `registry-unreachable`,
   * `registry-protocol`, `not-found`
   */
  call<Answer>(action: string, schema: z.ZodType<Answer>, options?: AcrCallOptions): Promise<Answer>;
}

interface AcrCallOptions {
  /** Beside `InstanceId`. */
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** What has an effect each time it is called: it is sent once only. All else is tried again while the service is away. */
  readonly once?: boolean | undefined;
  /** Values of the query that nothing may quote. */
  readonly secrets?: readonly string[] | undefined;
  /** Ends the waiting between two tries. */
  readonly signal?: AbortSignal | undefined;
}

export interface AcrApiOptions {
  /** `cr-…` is no instance: `cri-…`. */
  readonly instanceId: string;
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string;
  readonly credentials: CredentialsSource;
  readonly limits?: Partial<AcrLimits> | undefined;
}

const version = '2018-12-01';

/** What every answer has, success or not; a failure may come with HTTP 200. */
const Outcome = z.object({
  IsSuccess: z.union([z.boolean(), z.stringbool()]).optional(),
  Code: z.coerce.string().optional(),
  Message: z.string().nullish(),
  RequestId: z.string().optional(),
});

export function createAcrApi({ instanceId, endpoint, credentials, limits: some }: AcrApiOptions): AcrApi {
  const limits = { ...acrLimits, ...some };

  async function callOnce<Answer>(action: string, schema: z.ZodType<Answer>, options: AcrCallOptions): Promise<Answer> {
    const used = await credentials.credentials();
    const call: OpenApiCall = {
      endpoint,
      action,
      version,
      query: { InstanceId: instanceId, ...options.query },
      credentials: used,
      timeouts: limits,
      failures: acrFailures,
      secrets: options.secrets,
    };
    try {
      const body = await callOpenApi(call);
      checkOutcome(call, body);
      return parseAnswer(body, schema, call);
    } catch (error) {
      // Whoever gave the credentials must look for others.
      if (isAutosignError(error, 'registry-login-refused')) credentials.forget(used);
      throw error;
    }
  }

  return {
    instanceId,
    endpoint,
    limits,
    call: async (action, schema, options = {}) => {
      const attempt = () =>
        callOnce(action, schema, options).catch((error) => Promise.reject(registryFailureOf(error)));
      return options.once ? attempt() : tryAgain(attempt, { limits, signal: options.signal });
    },
  };
}

/** The documentation has every success say so; what does not is none. */
function checkOutcome(call: OpenApiCall, body: unknown): void {
  const outcome = Outcome.safeParse(body);
  if (outcome.success && outcome.data.IsSuccess === true) return;
  const { Code, Message, RequestId } = outcome.data ?? {};
  throw failureOfAnswer(call, {
    name: 'IsSuccess',
    message: Message ?? 'the answer does not say that it succeeded',
    code: Code ?? 'none',
    statusCode: 200,
    requestId: RequestId,
  });
}

function parseAnswer<Answer>(body: unknown, schema: z.ZodType<Answer>, { action, endpoint }: OpenApiCall): Answer {
  const answer = schema.safeParse(body);
  if (answer.success) return answer.data;
  const where = answer.error.issues.map((issue) => issue.path.join('.')).join(', ');
  // The answer itself is not kept as a cause: one of them holds a password.
  throw new AutosignError('registry-protocol', `${action} at ${endpoint}: the answer is not as documented (${where})`);
}

/** What `find` gives, or undefined for what is not there. */
export async function orMissing<T>(find: Promise<T>): Promise<T | undefined> {
  try {
    return await find;
  } catch (error) {
    if (isAutosignError(error, 'not-found')) return undefined;
    throw error;
  }
}
