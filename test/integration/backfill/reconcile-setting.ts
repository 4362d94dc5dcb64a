import { inject, onTestFinished } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { type ReconcileOptions, reconcileRegistry } from '../../../src/backfill/reconcile.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import type { Rule } from '../../../src/rules/rule-set.ts';
import { signImage } from '../../../src/signing/sign-image.ts';
import { uniqueRepository } from '../../support/names.ts';
import { createSigningFixture } from '../../support/signing-fixture.ts';

/** Both kinds of registry; the second one is missing where Go is. */
export const hosts: readonly string[] = [inject('fallbackHost'), inject('referrersHost') ?? []].flat();

/** Says what to do when the test ends; tests that run at once give their own `onTestFinished`. */
export type AtEnd = (cleanUp: () => Promise<void>) => unknown;

/** One rule over one repository of a real registry, a real key, and what a reconcile needs. */
export async function openReconcileSetting(host: string, rule: Partial<Rule> = {}, atEnd: AtEnd = onTestFinished) {
  const repository = uniqueRepository();
  const repositories = { include: [repository.replace('prod/', '')], exclude: [] };
  const redisUrl = inject('redisUrl');
  const fixture = await createSigningFixture({ redisUrl, host, rule: { repositories, ...rule } });
  atEnd(fixture.close);
  const { tools, registry, client, stores, ruleSet } = fixture;
  const jobs: SignJob[] = [];
  const log: Record<string, unknown>[] = [];
  const marks = createPushMarks(fixture);
  const options: ReconcileOptions = {
    access: { registry, client, listing: createOciListing(client), stores },
    ruleSet,
    keyRing: tools.keyRing,
    baseline: tools.baseline,
    marks,
    formats: tools.formats,
    clock: tools.clock,
    add: async (job) => void jobs.push(job),
    concurrency: 4,
    logger: createLogger({ level: 'debug', destination: { write: (line) => log.push(JSON.parse(line)) } }),
    signal: new AbortController().signal,
  };
  return {
    ...fixture,
    repository,
    identity: ruleIdentity(ruleSet, fixture.rule),
    identityOf: (one: Rule) => ruleIdentity(ruleSet, one),
    options,
    marks,
    /** What was queued. */
    jobs,
    log,
    push: (tag: string, seed = tag) => pushImage({ host, repository, tag, kind: 'oci-manifest', seed }),
    sign: (tag: string, by = tools) => signImage({ registry, repository, tag, cause: 'test' }, by),
    reconcile: (more: Partial<ReconcileOptions> = {}) => reconcileRegistry({ ...options, ...more }),
  };
}

export const nothing = { tags: 0, queued: 0, existing: 0, waiting: 0, failed: 0 };
