import { z } from 'zod';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { alibabaCodeOf, callOpenApi, type OpenApiTimeouts } from './call-openapi.ts';
import type { CredentialsSource } from './sts-credentials.ts';

/** A name for a key version in KMS, whose signatures a policy may demand; the console calls it a witness. */
export interface Attestor {
  readonly name: string;
  readonly keyId: string;
  readonly keyVersionId: string;
  readonly keyRegionId: string;
  readonly remark: string;
}

/** Demands in namespaces of clusters that every image bears a signature of each attestor. */
export interface BinarySecurityPolicy {
  readonly name: string;
  /** `enabled` or `disabled`, as it is answered. */
  readonly status: string;
  readonly remark: string;
  /** `requireAttestor`. */
  readonly mode: string;
  readonly requiredAttestors: readonly string[];
  readonly clusters: readonly { readonly clusterId: string; readonly namespaces: readonly string[] }[];
}

/** What Security Center knows of container signatures. It is only read: no method changes anything. */
export interface SecurityCenter {
  /** @throws AutosignError `role-refused` with the RAM action that is missing, `credentials-missing`, `kms-unreachable` */
  listAttestors(): Promise<readonly Attestor[]>;
  /** Throws as `listAttestors` does. */
  listPolicies(): Promise<readonly BinarySecurityPolicy[]>;
  /** Whether the cluster has kritis-validation-hook, as Security Center sees it. Throws as `listAttestors` does. */
  hasKritis(clusterId: string): Promise<boolean>;
}

export interface SecurityCenterOptions {
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string;
  readonly credentials: CredentialsSource;
  readonly timeouts: OpenApiTimeouts;
}

/** Security Center has two centres, one for the regions of China and one for all others. */
export const securityCenterEndpoints = {
  'cn-shanghai': 'tds.cn-shanghai.aliyuncs.com',
  'ap-southeast-1': 'tds.ap-southeast-1.aliyuncs.com',
} as const;

const version = '2018-12-03';
/** The size of the documentation's examples; the largest is not documented. */
const pageSize = 20;
/** Two thousand entries; far above what a person looks after. */
const pagesMax = 100;

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
/** Several products of Alibaba Cloud answer counts as strings. */
const count = z.coerce.number().int().nonnegative();
const PageInfo = z.object({ TotalCount: count });

const AttestorsAnswer = z.object({
  Attestors: z.array(z.object({ Name: z.string(), KeyId: text, KeyVersionId: text, KeyRegionId: text, Remark: text })),
  PageInfo,
});

/** What requests carry as JSON in a string, and the SDK's models of answers as a value: taken in both forms. */
function jsonOr<Schema extends z.ZodType>(schema: Schema) {
  const parsed = z.string().transform((value, context): unknown => {
    try {
      return JSON.parse(value);
    } catch {
      context.addIssue({ code: 'custom', message: 'is no JSON' });
      return z.NEVER;
    }
  });
  return z.union([schema, parsed.pipe(schema)]);
}

const Clusters = z.array(z.object({ ClusterId: z.string(), Namespaces: z.array(z.string()).nullish() }));
// The description writes the keys in lower case, its example in upper case.
const Policy = z
  .record(z.string(), z.unknown())
  .transform((fields) => Object.fromEntries(Object.entries(fields).map(([key, value]) => [key.toLowerCase(), value])))
  .pipe(z.object({ policymode: text, requiredattestors: z.array(z.string()).nullish() }));

const PoliciesAnswer = z.object({
  BinarySecurityPolicies: z.array(
    z.object({
      Name: z.string(),
      Status: text,
      Remark: text,
      Clusters: jsonOr(Clusters).nullish(),
      Policy: jsonOr(Policy),
    }),
  ),
  PageInfo,
});

const KritisAnswer = z.object({
  KritisStatus: z.object({ Install: z.union([z.boolean(), z.enum(['true', 'false']).transform((v) => v === 'true')]) }),
});

/** Security Center 2018-12-03 (`sas`), as far as it can be read (https://api.alibabacloud.com/document/Sas/2018-12-03/DescribeAttestors). */
export function createSecurityCenter(options: SecurityCenterOptions): SecurityCenter {
  async function call<Answer>(
    action: string,
    query: Record<string, string>,
    schema: z.ZodType<Answer>,
  ): Promise<Answer> {
    const { endpoint, timeouts } = options;
    const credentials = await options.credentials.credentials();
    const body = await callOpenApi({ endpoint, action, version, query, credentials, timeouts }).catch((error) => {
      throw explain(error, action, endpoint);
    });
    const answer = schema.safeParse(body);
    if (answer.success) return answer.data;
    const where = answer.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new AutosignError('kms-unreachable', `${action} at ${endpoint}: the answer is not as documented (${where})`, {
      cause: answer.error,
    });
  }

  const ask = <Answer>(action: string, schema: z.ZodType<Answer>) => ({
    action,
    page: (number: number) => call(action, { CurrentPage: String(number), PageSize: String(pageSize) }, schema),
  });

  return {
    listAttestors: () =>
      readPages(ask('DescribeAttestors', AttestorsAnswer), ({ Attestors }) =>
        Attestors.map(({ Name, KeyId, KeyVersionId, KeyRegionId, Remark }) => ({
          name: Name,
          keyId: KeyId,
          keyVersionId: KeyVersionId,
          keyRegionId: KeyRegionId,
          remark: Remark,
        })),
      ),
    listPolicies: () =>
      readPages(ask('DescribeBinarySecurityPolicies', PoliciesAnswer), (answer) =>
        answer.BinarySecurityPolicies.map(({ Name, Status, Remark, Clusters: clusters, Policy: policy }) => ({
          name: Name,
          status: Status,
          remark: Remark,
          mode: policy.policymode,
          requiredAttestors: policy.requiredattestors ?? [],
          clusters: (clusters ?? []).map(({ ClusterId, Namespaces }) => ({
            clusterId: ClusterId,
            namespaces: Namespaces ?? [],
          })),
        })),
      ),
    hasKritis: async (clusterId) => {
      const action = 'DescribeContainerServiceK8sClusterKritisStatus';
      return (await call(action, { ClusterId: clusterId }, KritisAnswer)).KritisStatus.Install;
    },
  };
}

interface Pages<Answer> {
  readonly action: string;
  page(number: number): Promise<Answer>;
}

/** Every entry of every page; a listing that ends early or does not end is an error, never a short answer. */
async function readPages<Answer extends { readonly PageInfo: { readonly TotalCount: number } }, Entry>(
  { action, page }: Pages<Answer>,
  entriesOf: (answer: Answer) => readonly Entry[],
): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  for (let number = 1; number <= pagesMax; number += 1) {
    const answer = await page(number);
    const entries = entriesOf(answer);
    found.push(...entries);
    if (found.length >= answer.PageInfo.TotalCount) return found;
    if (entries.length === 0) {
      throw new AutosignError(
        'kms-unreachable',
        `${action}: ${found.length} of ${answer.PageInfo.TotalCount} entries were answered. Something has changed meanwhile: run it again.`,
      );
    }
  }
  throw new AutosignError('kms-unreachable', `${action}: there are more than ${pagesMax * pageSize} entries.`);
}

/** The advice for KMS and STS does not fit here: nothing is assumed, and the identity itself needs the right. */
function explain(error: unknown, action: string, endpoint: string): unknown {
  const code = isAutosignError(error) ? alibabaCodeOf(error) : undefined;
  if (!isAutosignError(error) || code === undefined) return error;
  if (!/^(?:NoPermission|Forbidden)(?:\.|$)/.test(code)) return error;
  return new AutosignError(
    'role-refused',
    `${action} at ${endpoint}: ${code}, RequestId ${error.requestId ?? 'none'}. ` +
      `The identity that calls needs the RAM action yundun-sas:${action}.`,
    { cause: error },
  );
}
