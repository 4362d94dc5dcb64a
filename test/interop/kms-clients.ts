import { createRequire } from 'node:module';
import type { StsCredentials } from '../../src/alibaba/sts-credentials.ts';
import { startLineProgram } from '../support/line-program.ts';

interface KmsClientCall {
  /** `host:port`, spoken to in plain HTTP. */
  readonly endpoint: string;
  readonly credentials: StsCredentials;
  readonly action: 'AsymmetricSign' | 'AsymmetricVerify' | 'GetPublicKey' | 'DescribeKey' | 'ListKeyVersions';
  /** By Alibaba's names. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** What a client says: the body of an answer in its own model, by Alibaba's names, or its error. */
interface KmsClientAnswer {
  readonly body?: Readonly<Record<string, unknown>>;
  /** Alibaba's code as the client tells it. */
  readonly code?: string;
  readonly error?: string;
}

/** A client of KMS that Alibaba publishes. */
export interface KmsClient {
  call(call: KmsClientCall): Promise<KmsClientAnswer>;
  stop(): Promise<void>;
}

/** Far above what a loaded machine needs for a call on loopback. */
const callTimeoutMs = 30_000;

/**
 * Go, github.com/alibabacloud-go/kms-20160120/v3, by the program `kms-client`.
 * @param signatureAlgorithm the client's setting; `v2` signs with the older HMAC-SHA1
 */
export async function startGoKmsClient(program: string, signatureAlgorithm: '' | 'v2'): Promise<KmsClient> {
  const { ask, stop } = await startLineProgram<object, KmsClientAnswer>(program, callTimeoutMs);
  return {
    stop,
    call({ endpoint, credentials, action, parameters }) {
      const { accessKeyId, accessKeySecret, securityToken } = credentials;
      return ask({ endpoint, accessKeyId, accessKeySecret, securityToken, signatureAlgorithm, action, parameters });
    },
  };
}

// As in src/alibaba/alibaba-sdk.ts: loaders disagree on the default export of Alibaba's packages.
type KmsSdk = typeof import('@alicloud/kms20160120', { with: { 'resolution-mode': 'require' }});
const require = createRequire(import.meta.url);
const sdk = require('@alicloud/kms20160120') as KmsSdk;

/** npm, `@alicloud/kms20160120`, which knows HMAC-SHA1 alone. */
export function npmKmsClient(): KmsClient {
  return {
    stop: async () => undefined,
    async call({ endpoint, credentials, action, parameters }) {
      const { accessKeyId, accessKeySecret, securityToken } = credentials;
      const settings = { endpoint, protocol: 'http', accessKeyId, accessKeySecret, readTimeout: callTimeoutMs };
      const client = new sdk.default({
        ...settings,
        ...(securityToken === undefined ? {} : { securityToken }),
      } as never);
      try {
        const answer = await callNpm(client, action, modelOf(parameters));
        return { body: answer.toMap() };
      } catch (error) {
        const { code, message } = error as { readonly code?: string; readonly message: string };
        // The client writes "Error" behind every code of Alibaba's.
        return { code: (code ?? '').replace(/Error$/, ''), error: message };
      }
    },
  };
}

function callNpm(client: InstanceType<KmsSdk['default']>, action: KmsClientCall['action'], model: object) {
  switch (action) {
    case 'AsymmetricSign':
      return client.asymmetricSign(new sdk.AsymmetricSignRequest(model));
    case 'AsymmetricVerify':
      return client.asymmetricVerify(new sdk.AsymmetricVerifyRequest(model));
    case 'GetPublicKey':
      return client.getPublicKey(new sdk.GetPublicKeyRequest(model));
    case 'DescribeKey':
      return client.describeKey(new sdk.DescribeKeyRequest(model));
    case 'ListKeyVersions':
      return client.listKeyVersions(new sdk.ListKeyVersionsRequest(model));
  }
}

/** The client's models have Alibaba's names with a small first letter. */
function modelOf(parameters: Readonly<Record<string, string>>): object {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [`${name.charAt(0).toLowerCase()}${name.slice(1)}`, value]),
  );
}
