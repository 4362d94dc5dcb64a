import Fastify, { type FastifyInstance } from 'fastify';
import type { Metrics } from '../observability/metrics.ts';

/** What an operator wants to know of a worker; no secret and no key material. */
export interface WorkerHealth {
  /** Redis answers. */
  readonly redis: boolean;
  readonly rules: { readonly hash: string; readonly refused: string | undefined };
  readonly keys: readonly { readonly name: string; readonly state: 'ready' | 'paused'; readonly reason?: string }[];
  /** Registries that refuse the login, ask for time or fail, so that their jobs wait. */
  readonly pausedRegistries: readonly { readonly name: string; readonly reason: string }[];
  /** Rules whose baseline is not complete, so that their jobs wait. */
  readonly preparing: readonly { readonly rule: string; readonly registry: string; readonly reason: string }[];
}

/**
 * The health and the metrics of `work`, for the operators' own network. A paused key or a preparing rule does not make a worker
 * unready: it works on what it can.
 */
export async function createWorkerHealth(
  health: () => Promise<WorkerHealth>,
  metrics: Pick<Metrics, 'render'>,
): Promise<FastifyInstance> {
  const app = Fastify({ logger: false });
  app.get('/healthz', async () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const state = await health();
    return reply.code(state.redis ? 200 : 503).send({ ready: state.redis, ...state });
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await metrics.render();
    return reply.type(contentType).send(text);
  });
  await app.ready();
  return app;
}
