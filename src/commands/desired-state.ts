import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import type { Logger } from '../observability/logger.ts';
import type { Clock } from '../ports/clock.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { loadKeyRing } from '../signing/key-ring.ts';
import type { KeyRing, KeyState } from '../signing/signing-key.ts';
import type { Desired } from '../worker/desired.ts';
import type { KeyOpener } from './open-keys.ts';
import { openRegistries } from './open-registries.ts';
import { isSameEntry } from './same-entry.ts';

export interface DesiredStateOptions {
  /** The rules in force now. */
  readonly rules: () => RuleSet;
  readonly lock: SubjectLock;
  readonly opener: Pick<KeyOpener, 'open' | 'probe'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly env: NodeJS.ProcessEnv;
  /** The process's own identity, for registries that are used with it. */
  readonly base?: CredentialsSource | undefined;
}

/** The rules in force with their keys and registries. */
export interface DesiredState {
  current(): Desired;
  /**
   * Takes the rules in force over at once, deny list and all; then looks at the key files, and at what paused keys.
   * Until a new or changed key is loaded it is paused; the others go on.
   */
  update(): Promise<void>;
  close(): Promise<void>;
}

export async function createDesiredState(options: DesiredStateOptions): Promise<DesiredState> {
  const { rules, opener, clock, logger } = options;
  const first = rules();
  let current: Desired = {
    ruleSet: first,
    keyRing: nothingLoaded,
    registries: openRegistries(first, undefined, options),
  };
  // One load at a time, so that an older one, which may wait long for KMS, never ends after a newer one.
  let lastTurn: Promise<void> = Promise.resolve();
  let waitingTurn: Promise<void> | undefined;

  function takeOverRules(): void {
    const { ruleSet, keyRing } = current;
    const wanted = rules();
    if (wanted === ruleSet) return;
    current = {
      ruleSet: wanted,
      keyRing: unchangedKeys(ruleSet, wanted, keyRing),
      // A registry that is gone stays open: jobs that run may still need it, and its idle connections end by themselves.
      registries: openRegistries(wanted, current, options),
    };
  }

  async function loadKeys(): Promise<void> {
    waitingTurn = undefined;
    const { ruleSet, keyRing: before } = current;
    const keyRing = await loadKeyRing({
      ruleSet,
      createSigner: opener.open,
      probe: opener.probe,
      readTextFile: (file) => readFile(file, 'utf8'),
      clock,
    });
    // Rules that came meanwhile have a turn of their own.
    if (current.ruleSet !== ruleSet) return;
    logChanges(ruleSet, before, keyRing, logger);
    current = { ...current, keyRing };
  }

  function update(): Promise<void> {
    takeOverRules();
    waitingTurn ??= lastTurn.then(loadKeys);
    // A turn that failed is the caller's to hear of; the next one follows all the same.
    lastTurn = waitingTurn.catch(() => undefined);
    return waitingTurn;
  }

  await update();
  return {
    current: () => current,
    update,
    close: async () => {
      await Promise.all([...current.registries.values()].map(({ client }) => client.close()));
    },
  };
}

const loading: KeyState = { state: 'paused', reason: 'it is being looked at' };
const nothingLoaded: KeyRing = { get: () => loading };

/** Keys whose entry in the rules file did not change stay as they are. */
function unchangedKeys(before: RuleSet, after: RuleSet, keyRing: KeyRing): KeyRing {
  const unchanged = new Set(
    [...after.keys].flatMap(([name, key]) => (isSameEntry(before.keys.get(name), key) ? [name] : [])),
  );
  return { get: (name, format) => (unchanged.has(name) ? keyRing.get(name, format) : loading) };
}

function logChanges({ rules }: RuleSet, before: KeyRing, after: KeyRing, logger: Logger): void {
  for (const name of new Set(rules.filter((rule) => rule.state !== 'off').map((rule) => rule.key))) {
    const [was, is] = [before.get(name), after.get(name)];
    if (is.state === 'ready' && was.state === 'paused') logger.info({ key: name }, 'key is ready');
    if (is.state === 'paused' && !isDeepStrictEqual(was, is))
      logger.error({ key: name, reason: is.reason }, 'key is paused');
  }
}
