import type { KeyObject } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../ports/clock.ts';
import type { DeliveryCapture } from '../ports/delivery-capture.ts';
import type { EventBridgeSource, RuleSet } from '../rules/rule-set.ts';
import { deliveryReader } from './captured-delivery.ts';
import type { CertificateKeys } from './certificate-keys.ts';
import { parseEventBridgeEvent } from './event-bridge-event.ts';
import { type EventBridgeIntakeOptions, takeEvent } from './event-bridge-intake.ts';
import { findSignedForm, readSignedDelivery, type SignedDelivery, tokenHeader } from './event-bridge-signature.ts';
import type { PinnedKeys } from './pinned-keys.ts';
import type { ReceiverLimits } from './receiver-limits.ts';
import { isValidToken } from './tokens.ts';
import type { RefuseToken } from './wrong-token.ts';

export interface EventBridgeRouteOptions extends EventBridgeIntakeOptions {
  readonly rules: () => RuleSet;
  readonly refuseToken: RefuseToken;
  readonly capture: DeliveryCapture;
  readonly certificateKeys: CertificateKeys;
  readonly pinnedKeys: PinnedKeys;
  readonly clock: Clock;
  readonly limits: ReceiverLimits;
}

export const eventBridgePath = '/webhooks/eventbridge/:registry';

type EventRequest = FastifyRequest<{ Params: { readonly registry: string } }>;

/** A request whose headers are in order. */
interface CheckedHeaders {
  readonly source: EventBridgeSource;
  readonly delivery: SignedDelivery;
}

/**
 * The door of EventBridge's HTTP target. Any customer of Alibaba can have it sign an event for any URL, so the signature
 * alone says little. In this order: our token, which only our target knows and which is signed too; time and address of
 * the certificate; the signature; the account, source, region and instance that the event names.
 */
export function addEventBridgeRoute(app: FastifyInstance, options: EventBridgeRouteOptions): void {
  const { rules, refuseToken, capture, logger, limits, clock } = options;
  const checked = new WeakMap<FastifyRequest, CheckedHeaders>();

  function refuse(request: EventRequest, reply: FastifyReply, status: 401 | 403, reason: string): FastifyReply {
    logger.warn({ registry: request.params.registry, status, reason }, 'event of EventBridge refused');
    return reply.code(status).header('connection', 'close').send({ error: reason });
  }

  async function checkHeaders(request: EventRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const source = rules().registries.get(request.params.registry)?.eventBridge;
    const isValid = isValidToken(String(request.headers[tokenHeader] ?? ''), source?.tokenSha256);
    if (!isValid || source === undefined) return refuseToken(request, reply);
    const delivery = readSignedDelivery(request.headers, { region: source.region, now: clock.now() });
    if (typeof delivery === 'string') return refuse(request, reply, 401, delivery);
    checked.set(request, { source, delivery });
    return undefined;
  }

  async function receiveEvent(request: EventRequest, reply: FastifyReply): Promise<FastifyReply> {
    const headers = checked.get(request);
    if (headers === undefined) throw new Error('the handler was reached without the check of the headers');
    const { registry } = request.params;
    const { source, delivery } = headers;
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    let keys: readonly KeyObject[];
    try {
      keys = await keysFor(options, headers);
    } catch (error) {
      logger.error({ err: error, registry, status: 503 }, 'no key to check the signature of EventBridge with');
      reply.code(503).header('retry-after', String(limits.retryAfterSeconds));
      return reply.send({ error: 'the certificate of the signature is not available, send it again' });
    }
    const signedForm = findSignedForm(keys, delivery, { url: source.url, body });
    if (signedForm === undefined) {
      return refuse(request, reply, 401, 'the signature does not fit the URL of the target, the headers and the body');
    }
    const token = String(request.headers[tokenHeader]);
    const copy = { door: 'event-bridge', body: body.toString(), token, signedForm } as const;
    capture.offer(registry, deliveryReader(request, copy));
    const event = parseEventBridgeEvent(body);
    if (event.aliyunaccountid !== source.accountId) {
      return refuse(request, reply, 403, 'the event is of another account');
    }
    return reply.code(202).send(await takeEvent(options, { registry, source, event }));
  }

  app.register(async (scope) => {
    // The signature is over these bytes, whatever they are called: how EventBridge names their type is not documented.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.post(eventBridgePath, { onRequest: checkHeaders }, receiveEvent);
  });
}

async function keysFor(
  { certificateKeys, pinnedKeys }: Pick<EventBridgeRouteOptions, 'certificateKeys' | 'pinnedKeys'>,
  { source, delivery }: CheckedHeaders,
): Promise<readonly KeyObject[]> {
  return source.certificateFile === undefined
    ? [await certificateKeys.get(delivery.certificateUrl)]
    : pinnedKeys.get(source.certificateFile);
}
