import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DeliveryCapture } from '../ports/delivery-capture.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { parseAcrWebhook } from './acr-webhook.ts';
import { deliveryReader } from './captured-delivery.ts';
import type { PushIntake } from './push-intake.ts';
import { isValidToken } from './tokens.ts';
import type { RefuseToken } from './wrong-token.ts';

export interface AcrRouteOptions {
  readonly rules: () => RuleSet;
  readonly intake: PushIntake;
  readonly capture: DeliveryCapture;
  readonly refuseToken: RefuseToken;
}

export const acrPath = '/webhooks/acr/:registry/:token';

interface AcrParams {
  readonly registry: string;
  readonly token: string;
}

type AcrRequest = FastifyRequest<{ Params: AcrParams }>;

/**
 * The door of ACR's trigger. The token is checked before a byte of the body is read, so that a stranger cannot make
 * us parse. The registry comes from the path, never from the body, which does not name it.
 */
export function addAcrRoute(app: FastifyInstance, { rules, intake, capture, refuseToken }: AcrRouteOptions): void {
  async function authenticate(request: AcrRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const { registry, token } = request.params;
    if (isValidToken(token, rules().registries.get(registry)?.webhook?.tokenSha256)) return undefined;
    return refuseToken(request, reply);
  }

  async function receivePush(request: AcrRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { registry, token } = request.params;
    const body = JSON.stringify(request.body);
    capture.offer(registry, deliveryReader(request, { door: 'acr', body, token }));
    const event = parseAcrWebhook(request.body);
    return reply.code(202).send(await intake.take(registry, event));
  }

  app.post<{ Params: AcrParams }>(acrPath, { onRequest: authenticate }, receivePush);
}
