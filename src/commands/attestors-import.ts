import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Document } from 'yaml';
import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import {
  type Attestor,
  type BinarySecurityPolicy,
  createSecurityCenter,
  type SecurityCenter,
  securityCenterEndpoints,
} from '../alibaba/security-center.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { printJson, printLines, withoutControls } from './terminal.ts';
import { writeWhole } from './write-whole.ts';

export interface AttestorsImportOptions {
  readonly out: string;
  readonly region: keyof typeof securityCenterEndpoints;
  readonly endpoint?: string;
  readonly force?: true;
  readonly json?: true;
}

/** What stands in Security Center. */
interface Imported {
  readonly attestors: readonly Attestor[];
  readonly policies: readonly BinarySecurityPolicy[];
  /** Of each cluster that a policy names; a text is the reason why it is not known. */
  readonly kritisInstalled: Readonly<Record<string, boolean | string>>;
}

/** One call; the slowest documented ones answer within a second. */
const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };

const heading = (endpoint: string, at: Date) => ` What Security Center at ${endpoint} held on ${at.toISOString()}.
 Written by "autosign attestors import", which reads only. For people: nothing reads this file.`;
const attestorsComment = ` Attestors ("witnesses"): a name for a version of a KMS key. ACR's own signing rules name them.`;
const policiesComment = ` Policies: in these namespaces of these clusters kritis-validation-hook refuses images without an attestation of each
 required attestor. It finds attestations in ACR's private store only and cannot see what autosign signs: enabling a
 policy for images that autosign alone has signed stops them.`;
const kritisComment = ' Whether these clusters have kritis-validation-hook, as Security Center sees it.';

/** Writes what stands in Security Center to a file, and says how much that was. */
export async function importAttestors(options: AttestorsImportOptions): Promise<void> {
  const file = resolve(options.out);
  const replace = options.force === true;
  if (!replace) await refuseExisting(file);
  const endpoint = options.endpoint ?? securityCenterEndpoints[options.region];
  const center = createSecurityCenter({ endpoint, credentials: createBaseCredentials(), timeouts });
  const imported = await readAll(center);
  await writeWhole(file, textOf(imported, endpoint, new Date()), { replace });
  const enabled = imported.policies.filter(({ status }) => /^enabled?$/.test(status)).map(({ name }) => name);
  const counts = { attestors: imported.attestors.length, policies: imported.policies.length };
  if (options.json) return printJson({ file, endpoint, ...counts, enabledPolicies: enabled });
  printLines([
    `${file}: ${counts.attestors} attestors, ${counts.policies} policies (enabled: ${withoutControls(enabled.join(', ')) || 'none'})`,
    'Nothing was changed in Security Center.',
  ]);
}

/** Asked before anything is called; the write itself decides. */
async function refuseExisting(file: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) throw new AutosignError('usage', `${file} is there already. Name another file, or use --force.`);
}

async function readAll(center: SecurityCenter): Promise<Imported> {
  const attestors = await center.listAttestors();
  const policies = await center.listPolicies();
  const clusterIds = [...new Set(policies.flatMap(({ clusters }) => clusters.map(({ clusterId }) => clusterId)))];
  const kritisInstalled: Record<string, boolean | string> = {};
  for (const clusterId of clusterIds) {
    kritisInstalled[clusterId] = await center.hasKritis(clusterId).catch((error: unknown) => {
      // One cluster, which may be gone, does not keep back what is known of all others.
      if (isAutosignError(error)) return `not known: ${error.message}`;
      throw error;
    });
  }
  return { attestors, policies, kritisInstalled };
}

function textOf({ attestors, policies, kritisInstalled }: Imported, endpoint: string, at: Date): string {
  const document = new Document({ attestors, policies, kritisInstalled });
  document.commentBefore = heading(endpoint, at);
  const comments = { attestors: attestorsComment, policies: policiesComment, kritisInstalled: kritisComment };
  for (const [key, comment] of Object.entries(comments)) {
    const value = document.get(key, true);
    if (typeof value === 'object' && value !== null) Object.assign(value, { commentBefore: comment });
  }
  return document.toString({ lineWidth: 120 });
}
