import { onTestFinished } from 'vitest';
import { type BackfillOptions, backfill } from '../../../src/backfill/backfill.ts';
import type { BackfillEvent } from '../../../src/backfill/backfill-event.ts';
import { createBackfillRun } from '../../../src/backfill/backfill-run.ts';
import { estimateBackfill } from '../../../src/backfill/estimate.ts';
import { type BackfillChoice, selectForBackfill } from '../../../src/backfill/selection.ts';
import { createBackfillStore, nothingKept } from '../../../src/coordination/backfill-store.ts';
import { createBackfillLane } from '../../../src/queue/backfill-lane.ts';
import { createJobEnds } from '../../../src/queue/job-ends.ts';
import { parseSignJob } from '../../../src/queue/sign-job.ts';
import type { Rule, RuleSet } from '../../../src/rules/rule-set.ts';
import { signImage } from '../../../src/signing/sign-image.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { openQueue } from '../worker/open-queue.ts';
import { openReconcileSetting } from './reconcile-setting.ts';

/** Longer than any test: what is told after it is never told. */
const neverMs = 3_600_000;

interface Settings {
  readonly rule?: Partial<Rule>;
  readonly moreRules?: readonly Partial<Rule>[];
  readonly deny?: RuleSet['deny'];
}

/** Rules with `existing: ignore` over one repository of a real registry, a queue of its own, and workers on it. */
export async function openBackfillSetting(host: string, { rule = {}, moreRules = [], deny = [] }: Settings = {}) {
  const setting = await openReconcileSetting(host, { existing: 'ignore', ...rule });
  const { tools, options, repository, client } = setting;
  const { queue, prefix, inspect, startWorker } = openQueue();
  const { redis } = setting;
  const rules = [setting.rule, ...moreRules.map((more) => ({ ...setting.rule, ...more }))];
  const ruleSet = { ...setting.ruleSet, rules, deny };
  const store = createBackfillStore({ redis, prefix });
  const ends = createJobEnds({ redis, prefix, timeoutMs: 5_000 });
  onTestFinished(async () => {
    await ends.close();
    const keys = await redis.keys(`${prefix}:*`);
    if (keys.length > 0) await redis.del(keys);
  });
  const events: BackfillEvent[] = [];
  const asked: string[] = [];
  const getManifest: typeof client.getManifest = (of, reference, call) => {
    asked.push(reference);
    return client.getManifest(of, reference, call);
  };
  const access = { ...options.access, client: { ...client, getManifest } };
  const walk = {
    ruleSet,
    keyRing: tools.keyRing,
    formats: tools.formats,
    clock: tools.clock,
    tell: (event: BackfillEvent) => void events.push(event),
    concurrency: 4,
    limit: undefined,
    stop: new AbortController().signal,
    signal: new AbortController().signal,
    accessTo: () => access,
  };
  const chosen = (choice: BackfillChoice) => {
    const selection = selectForBackfill(ruleSet, choice);
    return { ...walk, ruleSet: { ...ruleSet, rules: selection.rules }, selection };
  };

  return {
    ...setting,
    ruleSet,
    events,
    /** Tags and digests whose manifests were asked for by a backfill. */
    asked,
    access,
    inspect,
    /** Pushes an image that stands before every rule. */
    stand: async (tag: string) => {
      const image = await setting.push(tag);
      const place = { registry: 'lab', repository, tag };
      for (const one of rules) await tools.baseline.enter(setting.identityOf(one), place, image.digest);
      return image;
    },
    /** Ends the walk over what stands, for every rule. */
    prepare: async () => {
      for (const one of rules) {
        const identity = setting.identityOf(one);
        await tools.baseline.complete(identity, 'lab', await tools.baseline.begin(identity, 'lab'));
      }
    },
    /** Begins anew, or goes on with what the store knows. */
    backfill: async (choice: BackfillChoice & { since?: string } = {}, more: Partial<BackfillOptions> = {}) => {
      const all = chosen(choice);
      const { id } = all.selection;
      const since = choice.since === undefined ? undefined : new Date(choice.since);
      const known = await store.load(id);
      const kept = known ?? { ...nothingKept, startedAt: new Date(), since };
      if (known === undefined) await store.begin(id, kept);
      const run = createBackfillRun({ kept, keep: (change) => store.save(id, change) });
      const lane = createBackfillLane({ queue, waitingMax: 1_000, pollMs: 5 });
      const waiting = { pendingMax: 1_000, wait: true, pollMs: 10, idleMs: neverMs };
      const end = await backfill({ ...all, run, baseline: tools.baseline, lane, ends, ...waiting, ...more });
      return { ...end, progress: run.progress(), failures: run.failures };
    },
    /** As if there had been no backfill of everything before. */
    forget: () => store.forget(chosen({}).selection.id),
    /** As if the stored bytes of every signature had run out. */
    forgetArtifacts: async () => void (await redis.del(await redis.keys(`${setting.prefix}*:intent:*`))),
    estimate: (more: Partial<Pick<BackfillOptions, 'keyRing'>> = {}) => {
      const run = createBackfillRun({ kept: { ...nothingKept, since: undefined }, keep: async () => undefined });
      return estimateBackfill({ ...chosen({}), run, ...more });
    },
    /** A worker that signs by the rules, or does with each job what it is told. */
    work: (process: (data: unknown) => Promise<JobVerdict> = sign) => startWorker(process, { concurrency: 4 }),
  };

  async function sign(data: unknown): Promise<JobVerdict> {
    const { tag, cause } = parseSignJob(data);
    const request = { registry: setting.registry, repository, tag, cause: cause.kind };
    const { outcome } = await signImage(request, { ...tools, ruleSet });
    return { next: 'done', outcome };
  }
}
