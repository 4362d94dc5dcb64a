import type { TestProject } from 'vitest/node';
import { startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { startReferrersRegistry } from '../../infra/processes/start-referrers-registry.ts';
import { goProgram } from './go-build.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `redis://127.0.0.1:PORT`, shared by all tests: use a queue prefix of your own (`uniquePrefix`). */
    redisUrl: string;
    /** `127.0.0.1:PORT` of Debian's docker-registry, which has no referrers API. */
    fallbackHost: string;
    /** `127.0.0.1:PORT` of the registry with the referrers API; undefined where Go is missing. */
    referrersHost: string | undefined;
    /** Path of the built registry program, for tests that want one of their own; undefined where Go is missing. */
    registryProgram: string | undefined;
    /** Path of the built verifier, for `startNotationVerifier`; undefined where Go is missing. */
    verifierPath: string | undefined;
    /** Path of cosign v2; undefined where Go is missing. */
    cosignPath: string | undefined;
    /** Path of the verifier on containers/image, for `startContainersImage`; undefined where Go is missing. */
    containersImagePath: string | undefined;
    /** Path of the program on Alibaba's Go client of KMS, for `startGoKmsClient`; undefined where Go is missing. */
    kmsClientPath: string | undefined;
    /** Path of the program on Alibaba's Go client of ACR, for `startCrClient`; undefined where Go is missing. */
    crClientPath: string | undefined;
    /** Path of the client on Alibaba's SDK for KMS instances, for `startLineProgram`; undefined where Go is missing. */
    dkmsPath: string | undefined;
  }
}

/** Starts what the tests on real parts share, once a run, and gives back how to stop it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((part) => part.stop()));
  };
  const keep = <Part extends { stop(): Promise<void> }>(part: Part): Part => {
    started.push(part);
    return part;
  };
  try {
    const registryProgram = await goProgram('registry');
    project.provide('registryProgram', registryProgram);
    project.provide('verifierPath', await goProgram('verify-notation'));
    project.provide('cosignPath', await goProgram('cosign'));
    project.provide('containersImagePath', await goProgram('containers-image'));
    project.provide('kmsClientPath', await goProgram('kms-client'));
    project.provide('crClientPath', await goProgram('cr-client'));
    project.provide('dkmsPath', await goProgram('dkms'));
    project.provide('redisUrl', keep(await startRedis({ appendOnly: false })).url);
    project.provide('fallbackHost', keep(await startDockerRegistry()).host);
    const referrers = registryProgram && keep(await startReferrersRegistry({ program: registryProgram }));
    project.provide('referrersHost', referrers ? referrers.host : undefined);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}
