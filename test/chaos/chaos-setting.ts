import { join } from 'node:path';
import { inject } from 'vitest';
import { type PushedImage, pushImage } from '../../infra/images/push-image.ts';
import { type RunningRegistry, startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { type RunningRedis, startRedis } from '../../infra/processes/start-redis.ts';
import { startReferrersRegistry } from '../../infra/processes/start-referrers-registry.ts';
import { startContainersImage } from '../support/containers-image.ts';
import { type NotationVerifier, startNotationVerifier } from '../support/notation-verifier.ts';
import { checkSignatures, type Expected, type Findings, type Subject } from './checker.ts';
import { type HttpProxy, startHttpProxy } from './http-proxy.ts';
import { type GroupRegistry, identityHostOf } from './rules-text.ts';
import { createServiceGroup, type ServiceGroup, type ServiceGroupOptions } from './service-group.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** `fallback` has no referrers API, `referrers` has it. */
export type RegistryName = 'fallback' | 'referrers';
export const registryNames: readonly RegistryName[] = ['fallback', 'referrers'];

export interface Tagged {
  readonly registry: RegistryName;
  readonly repository: string;
  readonly tag: string;
}

/** Real parts with a proxy before each, and a group of services behind the proxies. */
export interface ChaosSetting {
  readonly redis: RunningRedis;
  readonly redisProxy: TcpProxy;
  readonly registries: Readonly<Record<RegistryName, RunningRegistry>>;
  /** What the group's services go through, where nothing else is put in front of a registry. */
  readonly proxies: Readonly<Record<RegistryName, HttpProxy>>;
  readonly group: ServiceGroup;
  /** Builds an image and pushes it, past the proxies. Without a seed each place has an image of its own. */
  push(place: Tagged, seed?: string): Promise<PushedImage>;
  /** The signature that mode `default` asks for. */
  expected(place: Tagged, digest: string): Expected;
  subject(place: Omit<Tagged, 'tag'>, digest: string): Subject;
  check(signatures: {
    readonly expected?: readonly Expected[];
    readonly permitted?: readonly Expected[];
    readonly forbidden?: readonly Subject[];
  }): Promise<Findings>;
  /** Another Redis under the same address, from the same append-only file. */
  restartRedis(): Promise<void>;
  stop(): Promise<void>;
}

export type ChaosSettingOptions = Pick<
  ServiceGroupOptions,
  'rule' | 'moreRules' | 'moreKeys' | 'deny' | 'kms' | 'workerEnvironment' | 'settings'
> & {
  /** Logins of registries that want one. */
  readonly logins?: Partial<Record<RegistryName, NonNullable<GroupRegistry['login']>>>;
  /** Puts something of the test's own in front of a registry, `127.0.0.1:PORT`, in place of the proxy; how services see it. */
  readonly front?: (name: RegistryName, upstream: string) => Promise<Omit<GroupRegistry, 'name'>>;
  /** The one format of the one rule; absent: notation. */
  readonly format?: 'cosign';
  /** Where Redis keeps its append-only file; absent: Redis keeps nothing over a restart. */
  readonly redisDirectory?: string;
};

/** Whether Go's registry and verifier are there; without them the scenarios are skipped. */
export const canRun = inject('registryProgram') !== undefined && inject('verifierPath') !== undefined;

/** Starts registries, Redis and proxies of a file's own; the group's services are started by the test. */
export async function startChaosSetting(options: ChaosSettingOptions = {}): Promise<ChaosSetting> {
  const parts: { stop(): Promise<unknown> }[] = [];
  const keep = <Part extends { stop(): Promise<unknown> }>(part: Part): Part => {
    parts.push(part);
    return part;
  };
  const stop = async () => {
    for (const part of parts.toReversed()) await part.stop();
  };
  try {
    return { ...(await startParts(options, keep)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Keep = <Part extends { stop(): Promise<unknown> }>(part: Part) => Part;

async function startParts(options: ChaosSettingOptions, keep: Keep): Promise<Omit<ChaosSetting, 'stop'>> {
  const { redisDirectory, logins = {}, front, format, ...groupOptions } = options;
  const persistence = {
    appendOnly: redisDirectory !== undefined,
    ...(redisDirectory && { directory: redisDirectory }),
  };
  let redis = await startRedis(persistence);
  keep({ stop: () => redis.stop() });
  const registries = {
    fallback: keep(await startDockerRegistry()),
    referrers: keep(await startReferrersRegistry({ program: inject('registryProgram') ?? '' })),
  };
  const proxies = {
    fallback: keep(await startHttpProxy(registries.fallback.host)),
    referrers: keep(await startHttpProxy(registries.referrers.host)),
  };
  const redisProxy = keep(await startTcpProxy(`127.0.0.1:${redis.port}`));
  const seen = await Promise.all(
    registryNames.map(async (name) => ({
      name,
      ...((await front?.(name, registries[name].host)) ?? { host: proxies[name].host }),
      ...(logins[name] && { login: logins[name] }),
    })),
  );
  const group = keep(
    await createServiceGroup({
      redisUrl: `redis://${redisProxy.host}`,
      directRedisUrl: redis.url,
      registries: seen,
      ...groupOptions,
      ...(format && { rule: { ...groupOptions.rule, formats: [format] } }),
    }),
  );
  const judge = format && keep(await startContainersImage(inject('containersImagePath') ?? ''));
  const verifier: NotationVerifier = keep(await startNotationVerifier(inject('verifierPath') ?? ''));
  const subject = (place: Omit<Tagged, 'tag'>, digest: string): Subject => ({
    registry: { host: registries[place.registry].host },
    repository: place.repository,
    digest,
  });
  return {
    get redis() {
      return redis;
    },
    redisProxy,
    registries,
    proxies,
    group,
    push: ({ registry, repository, tag }, seed) =>
      pushImage({ host: registries[registry].host, repository, tag, kind: 'oci-manifest', ...(seed && { seed }) }),
    expected: (place, digest) => ({
      ...subject(place, digest),
      ...(format && { format }),
      binding: { repository: `${identityHostOf(place.registry)}/${place.repository}`, tag: place.tag },
    }),
    subject,
    check: (signatures) =>
      checkSignatures({
        expected: [],
        ...signatures,
        verifier,
        certificateFile: group.certificateFile,
        ...(judge && { cosign: { judge, publicKeyFile: join(group.directory, 'release.pub.pem') } }),
      }),
    restartRedis: async () => {
      const { port } = redis;
      await redis.stop();
      redis = await startRedis({ ...persistence, port });
    },
  };
}
