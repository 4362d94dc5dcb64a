import rateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { AutosignError } from '../domain/errors.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { acrPath, addAcrRoute } from './acr-route.ts';
import { answerFor } from './error-answer.ts';
import { addEventBridgeRoute, type EventBridgeRouteOptions, eventBridgePath } from './event-bridge-route.ts';
import { addHealthRoutes, type HealthOptions, healthPath, readinessPath } from './health-routes.ts';
import { createPushIntake, type PushIntakeOptions } from './push-intake.ts';
import { createRefuseToken } from './wrong-token.ts';

type DoorOptions = PushIntakeOptions & Omit<EventBridgeRouteOptions, 'intake' | 'refuseToken'>;

export interface ReceiverOptions extends DoorOptions, HealthOptions {
  readonly rules: () => RuleSet;
  readonly queue: PushIntakeOptions['queue'];
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy: readonly string[];
}

// Node refuses longer request lines and headers itself; below it every path gets the same answers.
const headerBytesMax = 16 * 1024;
// Slow requests are looked for this often, in milliseconds; Node's own 30 s would make a shorter limit meaningless.
const slowRequestCheckMs = 2_000;

/**
 * The door for webhooks, and the health of this process; not listening yet. The webhook token is part of the path, so
 * Fastify's own logging, which prints paths, is off: every line is written here or in the routes, without a path.
 */
export async function createReceiver(options: ReceiverOptions): Promise<FastifyInstance> {
  const { limits, logger, trustProxy } = options;
  const app = Fastify({
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    routerOptions: { maxParamLength: headerBytesMax },
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: slowRequestCheckMs,
    },
    // A malformed path: Fastify's own answer would repeat it.
    frameworkErrors: (_error, _request, reply) => answerNotFound(reply),
  });
  parseJsonOnly(app);
  // Only what asks for it is limited: see the route.
  await app.register(rateLimit, { global: false, cache: limits.wrongCallersMax });

  app.addHook('onRequest', async (request, reply) => {
    // Answered before the body is read.
    if (request.is404) return answerNotFound(reply);
    return undefined;
  });
  // Otherwise a caller's idle connection would hold up the end until its own time is over.
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, message } = answerFor(error);
    if (status >= 500) logger.error({ err: error, status, ...registryOf(request, options.rules()) }, 'request failed');
    else logger.warn({ status, reason: message, ...registryOf(request, options.rules()) }, 'request refused');
    if (status === 503) reply.header('retry-after', String(limits.retryAfterSeconds));
    return reply.code(status).send({ error: message });
  });

  const doors = { ...options, intake: createPushIntake(options), refuseToken: createRefuseToken(app, options) };
  addAcrRoute(app, doors);
  addEventBridgeRoute(app, doors);
  addHealthRoutes(app, options);
  refuseOtherMethods(app, acrPath, ['POST']);
  refuseOtherMethods(app, eventBridgePath, ['POST']);
  refuseOtherMethods(app, healthPath, ['GET', 'HEAD']);
  refuseOtherMethods(app, readinessPath, ['GET', 'HEAD']);
  await app.ready();
  return app;
}

function parseJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, JSON.parse(String(body)));
    } catch (cause) {
      done(new AutosignError('event-invalid', 'body: expected JSON', { cause }));
    }
  });
}

function refuseOtherMethods(app: FastifyInstance, url: string, allowed: readonly string[]): void {
  const refuse = async (_request: FastifyRequest, reply: FastifyReply) =>
    reply.code(405).header('allow', allowed.join(', ')).header('connection', 'close').send({ error: 'wrong method' });
  const method = app.supportedMethods.filter((name) => !allowed.includes(name));
  // Refused in the first hook, before a body is read; the handler is never reached.
  app.route({ method, url, onRequest: refuse, handler: refuse, exposeHeadRoute: false });
}

function answerNotFound(reply: FastifyReply): FastifyReply {
  return reply.code(404).header('connection', 'close').send({ error: 'not found' });
}

/** The registry of a webhook when there is one of that name; what else stands in the path could be a token. */
function registryOf(request: FastifyRequest, ruleSet: RuleSet): { readonly registry?: string } {
  if (request.routeOptions.url !== acrPath && request.routeOptions.url !== eventBridgePath) return {};
  const { registry } = request.params as { readonly registry: string };
  return ruleSet.registries.has(registry) ? { registry } : {};
}
