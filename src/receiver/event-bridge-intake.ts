import { isAutosignError } from '../domain/errors.ts';
import type { PushEvent } from '../domain/push-event.ts';
import type { Logger } from '../observability/logger.ts';
import type { SeenEvents } from '../ports/seen-events.ts';
import type { EventBridgeSource } from '../rules/rule-set.ts';
import { type EventBridgeEvent, readEvent } from './event-bridge-event.ts';
import type { NotQueued, PushIntake, TakenPush } from './push-intake.ts';

export interface EventBridgeIntakeOptions {
  readonly intake: PushIntake;
  readonly seenEvents: SeenEvents;
  /**
   * Has the workers compare a registry with the rules: something was pushed, and the event does not say what.
   * @throws AutosignError `redis-unreachable`
   */
  readonly askReconcile: (registry: string) => Promise<void>;
  /** Told of the registry of each event that Redis has not confirmed, so that it is looked for when Redis is back. */
  readonly onUnconfirmed: (registry: string) => void;
  readonly logger: Logger;
}

/** An event that is believed, for the registry that it came for. */
export interface BelievedEvent {
  readonly registry: string;
  readonly source: EventBridgeSource;
  readonly event: EventBridgeEvent;
}

/**
 * What an event of the right account leads to. However it is answered, sending it again would change nothing.
 * @throws AutosignError `redis-unreachable`: then it is to be sent again
 */
export async function takeEvent(options: EventBridgeIntakeOptions, believed: BelievedEvent): Promise<TakenPush> {
  const { registry, source, event } = believed;
  const reading = readEvent(event, source);
  try {
    switch (reading.kind) {
      case 'push':
        return await takeOnce(options, believed, reading.event);
      case 'other':
        return ignore(options, believed, reading.reason);
      case 'unreadable':
        return await reconcileInstead(options, believed, reading.reason);
    }
  } catch (error) {
    if (isAutosignError(error, 'redis-unreachable')) options.onUnconfirmed(registry);
    throw error;
  }
}

async function takeOnce(
  options: EventBridgeIntakeOptions,
  believed: BelievedEvent,
  push: PushEvent,
): Promise<TakenPush> {
  const { intake, seenEvents } = options;
  const { registry, event } = believed;
  // With the image: two pushes that shared an id by some mistake must both be taken.
  const name = JSON.stringify([registry, event.id, event.type, push.repository, push.tag]);
  if (await seenEvents.has(name)) return ignore(options, believed, 'this event was queued before');
  const taken = await intake.take(registry, push);
  // Only now, and never instead of the answer: what is not remembered is queued once more, and no push is lost.
  if (taken.queued) await seenEvents.remember(name).catch(() => undefined);
  return taken;
}

function ignore({ logger }: EventBridgeIntakeOptions, { registry, event }: BelievedEvent, reason: string): NotQueued {
  logger.info({ registry, event: event.id, type: event.type, reason }, 'event of EventBridge ignored');
  return { queued: false, reason };
}

/** A push must not be lost because its event looks other than expected: no example of one is documented. */
async function reconcileInstead(
  { askReconcile, logger }: EventBridgeIntakeOptions,
  { registry, event }: BelievedEvent,
  reason: string,
): Promise<NotQueued> {
  await askReconcile(registry);
  logger.warn(
    { registry, event: event.id, type: event.type, reason },
    'event of EventBridge not understood, the registry is compared with the rules instead',
  );
  return { queued: false, reason: `${reason}; the registry is compared with the rules instead` };
}
