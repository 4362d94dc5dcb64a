import { inject, onTestFinished } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import type { CredentialsSource, StsCredentials } from '../../../src/alibaba/sts-credentials.ts';
import { sample, trustPolicy } from '../../emulator/sample-config.ts';
import { uniqueRepository } from '../../support/names.ts';
import { type AcrOptions, allowing, startAcr } from '../../support/start-acr.ts';
import { type JobsSetting, openJobs, pushOf } from '../worker/open-jobs.ts';

/** A role for the registry, which trusts the sample account's worker. */
export const registryRole = 'acs:ram::1234567890123456:role/autosign-registry';
export const roleField = `, roleArn: "${registryRole}", stsEndpoint: "STS"`;

export interface AcrJobsOptions extends Omit<JobsSetting, 'registry' | 'host' | 'namespace' | 'base'> {
  readonly upstream?: string;
  readonly acr?: Partial<AcrOptions>;
  /** The instance that the rules name; by default the one behind the host. */
  readonly instanceId?: string;
  /** More fields of `acr` in the rules; `STS` stands for the endpoint of STS. */
  readonly acrFields?: string;
  /** What the role for the registry may do; without any there is no such role. */
  readonly rolePolicies?: AcrOptions['policies'];
}

/** The worker's key, as a source that counts what was refused. */
function sourceOf(credentials: StsCredentials): CredentialsSource {
  return { credentials: async () => credentials, forget: () => undefined };
}

/**
 * An emulated instance in front of the shared registry with a namespace of this test's own, and a worker's jobs on it,
 * which log in and list by the OpenAPI.
 */
export async function openAcrJobs({ upstream = inject('fallbackHost'), ...options }: AcrJobsOptions = {}) {
  const { acr: acrOptions, acrFields = '', rolePolicies, instanceId, ...jobsSetting } = options;
  const namespace = uniqueRepository('acr', 'x').slice(2);
  const roles =
    rolePolicies === undefined
      ? []
      : [{ arn: registryRole, trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }), policies: [...rolePolicies] }];
  const acr = await startAcr({ upstream, namespaces: [namespace], emulator: { roles }, ...acrOptions });
  onTestFinished(() => acr.stop());
  const { emulator, instance } = acr;
  const fields = acrFields.replaceAll('STS', emulator.url);
  const jobs = await openJobs({
    ...jobsSetting,
    host: instance.registry.host,
    registry:
      `, realms: ["${instance.registry.realm}"], ` +
      `acr: { instanceId: ${instanceId ?? instance.instanceId}, region: cn-hangzhou, endpoint: "${emulator.url}"${fields} }`,
    namespace,
    base: sourceOf(acr.credentials),
  });
  return {
    ...acr,
    ...jobs,
    namespace,
    /** Pushes below the namespace, past the instance's login, and tells the instance of it. */
    push: async (name: string, tag = 'v1') => {
      const repository = `${namespace}/${name}`;
      const image = await pushImage({ host: upstream, repository, tag, kind: 'oci-manifest', seed: `${name}:${tag}` });
      instance.notePush(repository, tag);
      return { ...image, repository };
    },
    sign: (name: string, tag = 'v1') => jobs.run(pushOf(`${namespace}/${name}`, { tag })),
    /** The calls of one action, by the emulator's own account. */
    callsOf: (action: string) => emulator.calls.filter((call) => call.action === action),
  };
}

/** What the documentation lets the login, the lists and the signing of an instance need, and no more. */
export const leastPolicies = [
  allowing(['cr:GetAuthorizationToken', 'cr:ListRepositoryTag'], '*'),
  allowing(
    ['cr:ListNamespace', 'cr:ListRepository', 'cr:GetRepository'],
    'acs:cr:cn-hangzhou:1234567890123456:repository/cri-emulated*',
  ),
  allowing(['cr:PullRepository', 'cr:PushRepository'], 'acs:cr:cn-hangzhou:1234567890123456:repository/cri-emulated/*'),
];
