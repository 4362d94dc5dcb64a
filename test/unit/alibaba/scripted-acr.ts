import { type AcrApi, createAcrApi } from '../../../src/alibaba/acr-api.ts';
import type { AcrLimits } from '../../../src/alibaba/acr-limits.ts';
import type { CredentialsSource, StsCredentials } from '../../../src/alibaba/sts-credentials.ts';
import { type Received, type ScriptedServer, startScriptedServer } from '../registry/scripted-server.ts';

/** What the script answers: a body with HTTP 200, or with another status. */
type AcrAnswer = Record<string, unknown> & { readonly httpStatus?: number };
export type AcrScript = (action: string, query: URLSearchParams) => AcrAnswer;

export const workerKey: StsCredentials = {
  accessKeyId: 'LTAI-worker',
  accessKeySecret: 'access-key-secret-that-must-not-leak',
  securityToken: 'security-token-that-must-not-leak',
  expiration: undefined,
};

const worker: CredentialsSource = { credentials: async () => workerKey, forget: () => undefined };

/** Without waiting between tries. */
export const quickLimits: Partial<AcrLimits> = { tryAgainAfterMs: 1, triesMax: 2 };

export interface ScriptedAcr extends AsyncDisposable {
  readonly api: AcrApi;
  readonly endpoint: string;
  readonly received: readonly Received[];
  /** The actions that were called, oldest first. */
  actions(): readonly string[];
  /** The queries of all calls of one action. */
  queriesOf(action: string): readonly URLSearchParams[];
}

/** An ACR OpenAPI that answers by a script; successes get what every success has. */
export async function startScriptedAcr(
  script: AcrScript,
  { limits = quickLimits, credentials = worker }: Partial<Parameters<typeof createAcrApi>[0]> = {},
): Promise<ScriptedAcr> {
  const server: ScriptedServer = await startScriptedServer((received) => {
    const { httpStatus = 200, ...body } = script(actionOf(received), queryOf(received));
    const envelope = httpStatus === 200 ? { Code: 'success', IsSuccess: true, RequestId: 'R-1' } : { RequestId: 'R-1' };
    return {
      status: httpStatus,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...envelope, ...body }),
    };
  });
  return {
    api: createAcrApi({ instanceId: 'cri-test', endpoint: server.origin, credentials, limits }),
    endpoint: server.origin,
    received: server.received,
    actions: () => server.received.map(actionOf),
    queriesOf: (action) => server.received.filter((received) => actionOf(received) === action).map(queryOf),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function actionOf({ headers }: Received): string {
  return String(headers['x-acs-action']);
}

function queryOf({ path }: Received): URLSearchParams {
  return new URL(path, 'http://acr').searchParams;
}

/** Everything of `source`. */
export async function all<T>(source: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
