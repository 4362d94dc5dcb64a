import type { StsCredentials } from '../../src/alibaba/sts-credentials.ts';
import { startLineProgram } from '../support/line-program.ts';

interface CrClientCall {
  /** `host:port`, spoken to in plain HTTP. */
  readonly endpoint: string;
  readonly credentials: StsCredentials;
  readonly action: string;
  /** By Alibaba's names. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What the client says: the body of an answer in its own model, by Alibaba's names, or its error. */
interface CrClientAnswer {
  readonly body?: Readonly<Record<string, unknown>>;
  /** Alibaba's code as the client tells it. */
  readonly code?: string;
  readonly error?: string;
}

export interface CrClient {
  call(call: CrClientCall): Promise<CrClientAnswer>;
  stop(): Promise<void>;
}

/** Far above what a loaded machine needs for a call on loopback. */
const callTimeoutMs = 30_000;

/** Go, github.com/alibabacloud-go/cr-20181201/v2, by the program `cr-client`. */
export async function startCrClient(program: string): Promise<CrClient> {
  const { ask, stop } = await startLineProgram<object, CrClientAnswer>(program, callTimeoutMs);
  return {
    stop,
    call({ endpoint, credentials, action, parameters }) {
      const { accessKeyId, accessKeySecret, securityToken } = credentials;
      return ask({ endpoint, accessKeyId, accessKeySecret, securityToken, action, parameters });
    },
  };
}
