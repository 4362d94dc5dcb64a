import { isAutosignError, nextStepOf } from '../domain/errors.ts';
import type { TriggerRegistry } from './open-triggers.ts';
import type { TriggerLoopOptions } from './trigger-loop.ts';

/** What triggers call, or undefined where that is not known here, which is logged once for each reason. */
export function createUrlSource({ urlOf, logger }: Pick<TriggerLoopOptions, 'urlOf' | 'logger'>) {
  const said = new Map<string, string>();

  return async (registry: TriggerRegistry): Promise<string | undefined> => {
    const { name } = registry;
    try {
      const url = await urlOf(registry);
      said.delete(name);
      return url;
    } catch (error) {
      if (!isAutosignError(error)) throw error;
      if (said.get(name) !== error.message) {
        const fields = { registry: name, reason: error.message, nextStep: nextStepOf(error.code) };
        logger.error(fields, 'triggers: cannot be looked after from here');
      }
      said.set(name, error.message);
      return undefined;
    }
  };
}
