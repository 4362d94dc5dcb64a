import { startHttpProxy } from '../chaos/http-proxy.ts';
import { type BenchSpec, type RegistryKind, startBenchGroup, startRegistry, untilFinished } from './bench-group.ts';
import { createEventPoster } from './post-events.ts';
import { pushImages } from './push-images.ts';
import { kindOf, type RequestKind } from './request-kinds.ts';
import type { ScenarioContext } from './scenario.ts';
import { withParts } from './with-parts.ts';

/** The requests of one image in a repository where others were signed before, in their order, through a proxy. */
export function countRequests(
  kind: RegistryKind,
  spec: BenchSpec,
  context: ScenarioContext,
): Promise<readonly RequestKind[]> {
  return withParts(async (keep) => {
    const registry = keep(await startRegistry(kind, context));
    const proxy = keep(await startHttpProxy(registry.host));
    const group = await startBenchGroup({ host: proxy.host, spec }, keep);
    const worker = await group.startWorker();
    await group.services.startReceiver();
    const poster = keep(createEventPoster(group.services.webhookUrl('lab')));
    const images = await pushImages({ host: registry.host, name: 'counted', repositories: 1, images: 2 });
    for (const image of images) {
      proxy.forget();
      await poster.post(image);
      await untilFinished(worker, [image]);
    }
    return proxy.requests.map(kindOf);
  });
}
