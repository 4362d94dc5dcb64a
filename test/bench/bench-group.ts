import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningRegistry, startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { startReferrersRegistry } from '../../infra/processes/start-referrers-registry.ts';
import { createServiceGroup, type Service, type ServiceGroup } from '../chaos/service-group.ts';
import { waitUntil } from '../e2e/wait-until.ts';
import { type SigningKey, signingCertificate, signingKey } from '../support/signing-keys.ts';
import { countFinished, type FinishedJob, finishedJobs } from './job-log.ts';
import type { ScenarioContext } from './scenario.ts';
import type { Keep } from './with-parts.ts';

/** `fallback` is Debian's docker-registry, `referrers` has the referrers API. */
export type RegistryKind = 'fallback' | 'referrers';
export const registryKinds: readonly RegistryKind[] = ['referrers', 'fallback'];

export type BenchSpec = 'RSA_2048' | 'EC_P256';
export const benchSpecs: readonly BenchSpec[] = ['RSA_2048', 'EC_P256'];

/** The name of the one registry in rules and jobs. */
export const registryName = 'lab';

export interface BenchGroupOptions {
  /** `127.0.0.1:PORT` of the registry, or of a proxy before it, as the services see it. */
  readonly host: string;
  readonly spec?: BenchSpec;
  readonly kms?: Readonly<Record<string, string>>;
  readonly workerEnvironment?: Readonly<Record<string, string>>;
  /** The entry of the command line; absent: the sources. */
  readonly main?: string;
}

/** Redis with an append-only file, and the rules for one registry; services are started by the scenario. */
export interface BenchGroup {
  readonly services: ServiceGroup;
  readonly redisUrl: string;
  /** Starts the worker and waits until it has compared the registry with the rules once. */
  startWorker(): Promise<Service>;
}

export async function startRegistry(
  kind: RegistryKind,
  { registryProgram }: ScenarioContext,
): Promise<RunningRegistry> {
  return kind === 'fallback' ? await startDockerRegistry() : await startReferrersRegistry({ program: registryProgram });
}

const walkTimeoutMs = 600_000;

export async function startBenchGroup(options: BenchGroupOptions, keep: Keep): Promise<BenchGroup> {
  const { host, spec = 'EC_P256', kms, workerEnvironment = {}, main } = options;
  const redis = keep(await startRedis({ appendOnly: true }));
  const key = signingKey(spec);
  const services = keep(
    await createServiceGroup({
      redisUrl: redis.url,
      registries: [{ name: registryName, host }],
      ...(kms && { kms }),
      ...(main && { main }),
      workerEnvironment,
      rule: { key: kms === undefined ? 'bench' : 'release', algorithm: key.algorithm },
      moreKeys: [
        {
          name: 'bench',
          spec,
          local: { privateKeyFile: 'bench.pem' },
          publicKeyFile: 'bench.pub.pem',
          publicKeySha256: key.publicKeySha256,
          certificateChain: 'bench.crt.pem',
        },
      ],
    }),
  );
  await writeKey(services.directory, key);
  return {
    services,
    redisUrl: redis.url,
    startWorker: async () => {
      const worker = await services.startWorker('worker');
      await worker.process.waitForLine((line) => line.includes('the registry was compared'), walkTimeoutMs);
      return worker;
    },
  };
}

async function writeKey(directory: string, key: SigningKey): Promise<void> {
  await writeFile(join(directory, 'bench.pem'), key.privateKeyPem, { mode: 0o600 });
  await writeFile(join(directory, 'bench.pub.pem'), key.publicKeyPem);
  await writeFile(join(directory, 'bench.crt.pem'), await signingCertificate(key));
}

/** The jobs of these tags, once each has one that has finished; a tag may have several. */
export async function untilFinished(
  worker: Service,
  tags: readonly { readonly repository: string; readonly tag: string }[],
  timeoutMs = 600_000,
): Promise<readonly FinishedJob[]> {
  const nameOf = ({ repository, tag }: { readonly repository: string; readonly tag: string }) => `${repository}:${tag}`;
  const wanted = new Set(tags.map(nameOf));
  const ofThese = () => finishedJobs(worker.process).filter((job) => wanted.has(nameOf(job)));
  const allOfThese = () => new Set(ofThese().map(nameOf)).size === wanted.size;
  // Every line is parsed only when there are enough of them.
  const isOver = (finished: number) => finished >= wanted.size && allOfThese();
  await waitUntil(async () => countFinished(worker.process), isOver, timeoutMs);
  return ofThese();
}
