import { resolve } from 'node:path';
import { backfill } from '../backfill/backfill.ts';
import type { Tell } from '../backfill/backfill-event.ts';
import { type BackfillRun, createBackfillRun } from '../backfill/backfill-run.ts';
import { countTags } from '../backfill/count-tags.ts';
import { estimateBackfill } from '../backfill/estimate.ts';
import type { RegistryToWalk } from '../backfill/reconcile.ts';
import { type BackfillSelection, selectForBackfill } from '../backfill/selection.ts';
import { untilPrepared } from '../backfill/until-prepared.ts';
import { type BackfillChange, type BackfillStore, nothingKept } from '../coordination/backfill-store.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { builtFormats } from '../formats/built-formats.ts';
import { systemClock } from '../ports/clock.ts';
import { backfillWaitingMax } from '../queue/backfill-lane.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { BackfillCommandOptions } from './backfill-command.ts';
import { type BackfillOutput, type BackfillSummary, createJsonOutput } from './backfill-output.ts';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts';
import { openBackfill } from './open-backfill.ts';
import { openRegistries } from './open-registries.ts';
import { loadPublicKeyRing } from './public-key-ring.ts';
import { readOnlyLock } from './read-only-lock.ts';
import { readQueueSettings, type ServiceSettings } from './settings.ts';
import { stopOnSignal } from './stop-on-signal.ts';

const tagsAtOnce = 8;
const pollMs = 500;
// A worker signs within a second or so, or says in its log why not.
const idleMs = 15_000;

/** How a backfill ended, and what the process ends with. */
interface Ended {
  readonly summary: BackfillSummary;
  readonly exitCode: ExitCode;
}

/** What both kinds of run need: what is chosen, how to look at it, and where to show it. */
interface Prepared {
  readonly options: BackfillCommandOptions;
  readonly selection: BackfillSelection;
  /** With the chosen rules alone. */
  readonly ruleSet: RuleSet;
  readonly accessTo: (registry: string) => RegistryToWalk;
  readonly output: BackfillOutput;
  readonly stop: AbortSignal;
}

/** Runs `autosign backfill`, shows what it does, and sets the exit code. */
export async function runBackfill(options: BackfillCommandOptions): Promise<void> {
  const settings = options.dryRun ? undefined : readQueueSettings(process.env);
  const whole = await loadRuleSet(resolve(options.rules));
  const selection = selectForBackfill(whole, { ...options, since: options.since?.text });
  const registries = openRegistries(whole, undefined, { lock: readOnlyLock, env: process.env });
  const output = await createOutput(options);
  const stopping = stopOnSignal();
  const accessTo = (name: string) => {
    const access = registries.get(name);
    if (access === undefined) throw new Error(`no registry ${name}`);
    return access;
  };
  const ruleSet = { ...whole, rules: selection.rules };
  const prepared = { options, selection, ruleSet, accessTo, output, stop: stopping.signal };
  try {
    const { summary, exitCode } =
      settings === undefined ? await countOnly(prepared) : await signAll(prepared, settings);
    output.end(summary);
    process.exitCode = exitCode;
  } catch (error) {
    // It had not begun.
    unless(stopping.signal)(error);
    process.exitCode = exitCodes.interrupted;
  } finally {
    output.close();
    stopping.close();
    await Promise.all([...registries.values()].map(({ client }) => client.close()));
  }
}

async function createOutput({ json }: BackfillCommandOptions): Promise<BackfillOutput> {
  const shared = { write: (text: string) => void process.stdout.write(text), now: () => performance.now() };
  if (json || !process.stdout.isTTY || !process.stderr.isTTY) return createJsonOutput(shared);
  const { createBarOutput } = await import('./backfill-bars.ts');
  return createBarOutput({ ...shared, terminal: process.stderr });
}

/** `--dry-run`: asks the registries only. */
async function countOnly(prepared: Prepared): Promise<Ended> {
  const { options, stop } = prepared;
  const run = createBackfillRun({ kept: { ...nothingKept, since: options.since?.date }, keep: async () => undefined });
  const walk = await walkOf(prepared, run, new AbortController().signal);
  const { estimate, errors } = await estimateBackfill(walk);
  const progress = run.progress();
  const status = stop.aborted ? 'stopped' : errors.length + progress.unread > 0 ? 'partly' : 'finished';
  const summary: BackfillSummary = { status, progress, failures: run.failures, estimate };
  return { summary, exitCode: exitCodeOfRun(summary, errors) };
}

async function signAll(prepared: Prepared, settings: Pick<ServiceSettings, 'redisUrl' | 'queues'>): Promise<Ended> {
  const { options, selection, ruleSet, output, stop } = prepared;
  const tell: Tell = (event) => output.tell(event);
  const resume = resumeCommand(options);
  const opened = await openBackfill({ settings, id: selection.id, tell, stop });
  try {
    const { store, baseline, lane, ends, signal } = opened;
    const run = await openRun(store, prepared);
    const ending = AbortSignal.any([signal, stop]);
    await untilPrepared({ ruleSet, selection, baseline, tell, pollMs, signal: ending }).catch(unless(stop));
    const walk = await walkOf(prepared, run, signal);
    const wait = options.wait === true;
    const { status, errors } = await backfill({
      ...walk,
      baseline,
      lane,
      ends,
      pendingMax: backfillWaitingMax,
      wait,
      pollMs,
      idleMs,
    });
    if (status === 'finished') await store.forget(selection.id);
    const progress = run.progress();
    const summary: BackfillSummary = {
      status,
      progress,
      failures: run.failures,
      ...(status !== 'finished' && { resume }),
    };
    return { summary, exitCode: exitCodeOfRun(summary, errors) };
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    throw new AutosignError(error.code, `${error.message}\nGo on with: ${resume}`, { cause: error });
  } finally {
    await opened.close();
  }
}

/** The run that is gone on with, or a new one. */
async function openRun(store: BackfillStore, { options, selection, output }: Prepared): Promise<BackfillRun> {
  const { id } = selection;
  const keep = (change: BackfillChange) => store.save(id, change);
  const kept = await store.load(id);
  if (options.resume && kept !== undefined) {
    output.tell({ step: 'resumed', startedAt: kept.startedAt });
    return createBackfillRun({ kept, keep });
  }
  const begun = { startedAt: systemClock.now(), since: options.since?.date };
  await store.begin(id, begun);
  output.tell({ step: 'begun', forgotten: kept?.startedAt });
  return createBackfillRun({ kept: { ...nothingKept, ...begun }, keep });
}

async function walkOf(
  { options, selection, ruleSet, accessTo, output, stop }: Prepared,
  run: BackfillRun,
  signal: AbortSignal,
) {
  const tell: Tell = (event) => output.tell(event);
  const walk = {
    selection,
    ruleSet,
    accessTo,
    run,
    keyRing: await loadPublicKeyRing(ruleSet),
    formats: builtFormats,
    clock: systemClock,
    tell,
    concurrency: tagsAtOnce,
    limit: options.limit,
    stop,
    signal,
  };
  const ending = AbortSignal.any([signal, stop]);
  const total = output.wantsTotal ? await countTags({ ...walk, signal: ending }).catch(unless(stop)) : undefined;
  output.follow(run.progress, total);
  return walk;
}

/** What a signal of the operator breaks off is no error. */
function unless(stop: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (!stop.aborted || isAutosignError(error)) throw error;
    return undefined;
  };
}

function exitCodeOfRun({ status, failures }: BackfillSummary, errors: readonly AutosignError[]): ExitCode {
  if (status === 'stopped') return exitCodes.interrupted;
  const [error] = errors;
  if (error !== undefined) return exitCodeOf(error.code);
  return status === 'partly' || failures.size > 0 ? exitCodes.failed : exitCodes.ok;
}

/** The command that goes on with this run, as a shell reads it; only the path of the rules file may need quotes. */
function resumeCommand({ rules, registry, namespace, rule, since, limit, wait }: BackfillCommandOptions): string {
  const file = /^[\w./@:+-]+$/.test(rules) ? rules : `'${rules.replaceAll("'", "'\\''")}'`;
  const chosen = { rules: file, registry, namespace, rule, since: since?.text, limit };
  const given = Object.entries(chosen).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]));
  return ['autosign backfill', ...given, ...(wait ? ['--wait'] : []), '--resume'].join(' ');
}
