import { readFile } from 'node:fs/promises';
import type { Logger } from '../observability/logger.ts';
import type { Clock } from '../ports/clock.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { loadKeyRing } from '../signing/key-ring.ts';
import type { KeyRing } from '../signing/signing-key.ts';
import type { Desired } from '../worker/desired.ts';
import type { KeyOpener } from './open-keys.ts';
import { openRegistries } from './open-registries.ts';

export interface DesiredStateOptions {
  readonly lock: SubjectLock;
  readonly opener: KeyOpener;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly env: NodeJS.ProcessEnv;
}

/** The rules in force with their keys and registries, replaced as a whole. */
export interface DesiredState {
  current(): Desired;
  /** Takes these rules over: keys first, so that no job sees rules without their keys. */
  replace(ruleSet: RuleSet): Promise<void>;
  /** Looks at the key files, and at what paused keys, once more. */
  refreshKeys(): Promise<void>;
  close(): Promise<void>;
}

export async function createDesiredState(ruleSet: RuleSet, options: DesiredStateOptions): Promise<DesiredState> {
  const { opener, clock, logger } = options;
  const loadKeys = (rules: RuleSet): Promise<KeyRing> =>
    loadKeyRing({
      ruleSet: rules,
      createSigner: opener.open,
      probe: opener.probe,
      readTextFile: (file) => readFile(file, 'utf8'),
      clock,
    });
  const opened = async (rules: RuleSet, before: Desired['registries']): Promise<Desired> => ({
    ruleSet: rules,
    keyRing: await loadKeys(rules),
    registries: openRegistries(rules, before, options),
  });
  let current = await opened(ruleSet, new Map());
  logPausedKeys(current, logger);

  return {
    current: () => current,
    replace: async (rules) => {
      // A registry that is gone stays open: jobs that run may still need it, and its idle connections end by themselves.
      current = await opened(rules, current.registries);
      logPausedKeys(current, logger);
    },
    refreshKeys: async () => {
      const { ruleSet: rules, keyRing: before } = current;
      const keyRing = await loadKeys(rules);
      // The rules may have been replaced meanwhile; then their own keys are newer.
      if (current.ruleSet !== rules) return;
      for (const { name } of rules.keys.values()) {
        const [was, is] = [before.get(name), keyRing.get(name)];
        if (was.state !== is.state) logger.warn({ key: name, ...reasonOf(is) }, `key is ${is.state}`);
      }
      current = { ...current, keyRing };
    },
    close: async () => {
      await Promise.all([...current.registries.values()].map(({ client }) => client.close()));
    },
  };
}

function logPausedKeys({ ruleSet, keyRing }: Desired, logger: Logger): void {
  for (const name of new Set(ruleSet.rules.filter((rule) => rule.state !== 'off').map((rule) => rule.key))) {
    const state = keyRing.get(name);
    if (state.state === 'paused') logger.error({ key: name, reason: state.reason }, 'key is paused');
  }
}

function reasonOf(state: ReturnType<KeyRing['get']>): { readonly reason?: string } {
  return state.state === 'paused' ? { reason: state.reason } : {};
}
