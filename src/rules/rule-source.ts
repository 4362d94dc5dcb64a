import { AutosignError } from '../domain/errors.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import { diskAccess } from './file-access.ts';
import { openLastGood, type RulesBytes, saveLastGood } from './last-good-rules.ts';
import { readRuleSet } from './load-rule-set.ts';
import { rulesInvalid } from './problem.ts';
import { type RecordedAccess, recordAccess } from './recorded-access.ts';
import type { RuleSet } from './rule-set.ts';

/** Files that were not taken over: every problem, one line each, and since when the files have been refused. */
export interface RefusedRules {
  readonly message: string;
  readonly since: Date;
}

export interface RuleSourceOptions {
  readonly file: string;
  /** Where the last good rules are kept. */
  readonly stateDir: string;
  /** Between two looks at the files. A change is taken over at the second look that sees it. */
  readonly intervalMs: number;
  /** Called after other rules were taken over, or the same ones again after a refusal; not at the start. */
  readonly onAccepted: (ruleSet: RuleSet) => void;
  /** Called once for each new state of the files that is refused, also at the start. */
  readonly onRefused: (refused: RefusedRules) => void;
  /** Called when rules are in force that could not be kept for the next start. */
  readonly onUnsaved?: ((error: AutosignError) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** The rules in force, following the files. */
export interface RuleSource {
  current(): RuleSet;
  /** What is wrong with the files while older rules are in force; undefined when the files are in force. */
  refused(): RefusedRules | undefined;
  /** Looks at the files now and takes them over at once when they are valid. */
  reload(): Promise<void>;
  /** Stops looking; resolves when a look under way is over. */
  close(): Promise<void>;
}

/**
 * Opens the rules: the files when they are valid, otherwise the last good ones kept in `stateDir`.
 * @throws AutosignError `rules-invalid` when there is neither; `settings-invalid` when `stateDir` is not writable
 */
export async function openRuleSource(options: RuleSourceOptions): Promise<RuleSource> {
  const look = await readFiles(options.file);
  if ('ruleSet' in look) {
    await keep(options, look.access.bytes);
    return new PollingRuleSource({ options, look, current: look.ruleSet, refused: undefined });
  }
  const refused = { message: look.message, since: (options.clock ?? systemClock).now() };
  const lastGood = await loadLastGood(options);
  if (lastGood === undefined) throw new AutosignError('rules-invalid', look.message);
  options.onRefused(refused);
  return new PollingRuleSource({ options, look, current: lastGood, refused });
}

/** What one look at the files gave. */
type Look = { readonly access: RecordedAccess } & ({ readonly ruleSet: RuleSet } | { readonly message: string });

interface Start {
  readonly options: RuleSourceOptions;
  readonly look: Look;
  readonly current: RuleSet;
  readonly refused: RefusedRules | undefined;
}

/**
 * Looks by time, not by fs.watch: a ConfigMap is changed by swapping a symbolic link of a directory above the file,
 * which a watch on the file never sees, and on network file systems watches are silent.
 */
class PollingRuleSource implements RuleSource {
  readonly #options: RuleSourceOptions;
  #current: RuleSet;
  #refused: RefusedRules | undefined;
  /** The last look at the files. */
  #look: Look;
  #timer: NodeJS.Timeout | undefined;
  /** Looks run one after the other. */
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor({ options, look, current, refused }: Start) {
    this.#options = options;
    this.#look = look;
    this.#current = current;
    this.#refused = refused;
    this.#schedule();
  }

  current(): RuleSet {
    return this.#current;
  }

  refused(): RefusedRules | undefined {
    return this.#refused;
  }

  reload(): Promise<void> {
    return this.#lookNext({ settled: true });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      // Whatever is wrong with the files is a value here; what is thrown is a fault of the program and ends it.
      void this.#lookNext({ settled: false }).finally(() => this.#schedule());
    }, this.#options.intervalMs);
    this.#timer.unref();
  }

  #lookNext(how: { readonly settled: boolean }): Promise<void> {
    const turn = this.#looking.then(() => this.#lookAgain(how));
    this.#looking = turn.catch(() => undefined);
    return turn;
  }

  async #lookAgain({ settled }: { readonly settled: boolean }): Promise<void> {
    const isSame = await this.#look.access.isCurrent();
    if (!isSame) this.#look = await readFiles(this.#options.file);
    // A file that is just being written may be valid and lack its end, which is where the deny list stands: only what
    // two looks see alike is taken over.
    if (this.#closed || !(isSame || settled)) return;
    if ('ruleSet' in this.#look) await this.#accept(this.#look.ruleSet, this.#look.access.bytes);
    else this.#refuse(this.#look.message);
  }

  async #accept(ruleSet: RuleSet, bytes: RulesBytes): Promise<void> {
    if (this.#refused === undefined && stateOf(ruleSet) === stateOf(this.#current)) return;
    this.#current = ruleSet;
    this.#refused = undefined;
    try {
      await keep(this.#options, bytes);
    } catch (error) {
      if (!(error instanceof AutosignError)) throw error;
      this.#options.onUnsaved?.(error);
    }
    this.#options.onAccepted(ruleSet);
  }

  #refuse(message: string): void {
    if (message === this.#refused?.message) return;
    const since = this.#refused?.since ?? (this.#options.clock ?? systemClock).now();
    this.#refused = { message, since };
    this.#options.onRefused(this.#refused);
  }
}

async function readFiles(file: string): Promise<Look> {
  const access = recordAccess(diskAccess);
  const result = await readRuleSet(file, { access });
  return 'ruleSet' in result
    ? { access, ruleSet: result.ruleSet }
    : { access, message: rulesInvalid(result.problems).message };
}

/** Bytes and names: an included file that was only renamed has other places to blame in messages. */
function stateOf(ruleSet: RuleSet): string {
  return [ruleSet.hash, ...ruleSet.files].join('\n');
}

async function loadLastGood({ file, stateDir }: RuleSourceOptions): Promise<RuleSet | undefined> {
  const access = await openLastGood(stateDir);
  if (access === undefined) return undefined;
  const result = await readRuleSet(file, { access });
  // Another version of the program may have kept what this one refuses.
  return 'ruleSet' in result ? result.ruleSet : undefined;
}

async function keep({ stateDir }: RuleSourceOptions, bytes: RulesBytes): Promise<void> {
  try {
    await saveLastGood(stateDir, bytes);
  } catch (error) {
    throw new AutosignError(
      'settings-invalid',
      `the last good rules cannot be kept in ${stateDir}: ${(error as Error).message}; make the directory writable`,
      { cause: error },
    );
  }
}
