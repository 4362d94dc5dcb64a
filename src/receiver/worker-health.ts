import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify';
import type { Metrics } from '../observability/metrics.ts';
import type { WorkerHealth } from '../worker/worker-health.ts';

export interface WorkerHealthOptions {
  readonly health: () => Promise<WorkerHealth>;
  readonly metrics: Pick<Metrics, 'render'>;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy?: readonly string[];
  /** The operators' pages; nothing is below `/ops` without them. */
  readonly pages?: FastifyPluginAsync | undefined;
}

/**
 * The health and the metrics of `work`, for the operators' own network, and their pages. A paused key or a preparing
 * rule does not make a worker unready: it works on what it can.
 */
export async function createWorkerHealth({
  health,
  metrics,
  trustProxy = [],
  pages,
}: WorkerHealthOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, trustProxy: trustProxy.length > 0 ? [...trustProxy] : false });
  app.get('/healthz', async () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const state = await health();
    return reply.code(state.redis ? 200 : 503).send({ ready: state.redis, ...state });
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await metrics.render();
    return reply.type(contentType).send(text);
  });
  if (pages !== undefined) await app.register(pages, { prefix: '/ops' });
  await app.ready();
  return app;
}
