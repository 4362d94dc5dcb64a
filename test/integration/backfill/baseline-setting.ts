import { inject, onTestFinished } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { type TakeBaselinesOptions, takeBaselines } from '../../../src/backfill/take-baselines.ts';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import type { RegistryListing } from '../../../src/ports/registry-listing.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import type { RegistryClient } from '../../../src/registry/registry-client.ts';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import type { RuleSet } from '../../../src/rules/rule-set.ts';
import { clientFor } from '../../unit/registry/client-for.ts';
import { loadText } from '../../unit/rules/rules-text.ts';
import { openStore } from '../coordination/open-store.ts';

/** The registry without the referrers API. */
export const host = inject('fallbackHost');
/** Longer than any test: whoever settles for it without being told to stop does not come back. */
export const neverMs = 3_600_000;

/** A client that goes with the test. */
export function openClient(at: string): RegistryClient {
  const client = clientFor(at);
  onTestFinished(() => client.close());
  return client;
}

interface Setting {
  readonly rules: readonly string[];
  readonly clients?: Readonly<Record<string, RegistryClient | undefined>>;
  /** What the lists of `lab` are read by, when not by its client. */
  readonly listing?: RegistryListing;
  readonly options?: Partial<TakeBaselinesOptions>;
}

/** Rules over the registries `lab` and `far`; by default `lab` is a real one and `far` is not open. */
export async function settingOf({ rules, clients = { lab: openClient(host) }, listing, options = {} }: Setting) {
  const store = openStore();
  const baseline = createBaselineStore(store);
  const ruleSet = await loadText(
    [
      'version: 1',
      'registries:',
      '  - { name: lab, host: lab.example.com }',
      '  - { name: far, host: far.example.com }',
      'keys:',
      '  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }',
      'rules:',
      ...rules.map((rule) => `  - { key: dev, algorithm: ECDSA_SHA_256, ${rule} }`),
    ].join('\n'),
  );
  const log: string[] = [];
  const completed: string[] = [];
  const take = (more: Partial<TakeBaselinesOptions> = {}) =>
    takeBaselines({
      ruleSet,
      accessTo: (registry) => {
        const client = clients[registry];
        return client && { client, listing: (registry === 'lab' && listing) || createOciListing(client) };
      },
      baseline,
      firstSeen: { since: async () => new Date() },
      clocksApartMs: 0,
      concurrency: 4,
      settleMs: 1,
      logger: createLogger({ level: 'info', destination: { write: (line) => log.push(line) } }),
      signal: new AbortController().signal,
      onComplete: (rule, registry) => {
        completed.push(`${rule.name} ${registry}`);
      },
      ...options,
      ...more,
    });
  const identity = (name: string) => identityOf(ruleSet, name);
  return { baseline, marks: createPushMarks(store), take, identity, log, completed };
}

function identityOf(ruleSet: RuleSet, name: string): string {
  const rule = ruleSet.rules.find((candidate) => candidate.name === name);
  if (rule === undefined) throw new Error(`no rule ${name}`);
  return ruleIdentity(ruleSet, rule);
}

/** The part of a rule that names this one repository. */
export const select = (repository: string) =>
  `namespaces: { include: [${repository.split('/')[0]}] }, repositories: { include: [${repository.split('/')[1]}] }`;

/** Pushes an image to the default registry; its content is decided by `seed`. */
export const push = (repository: string, tag: string, seed = tag) =>
  pushImage({ host, repository, tag, kind: 'oci-manifest', seed });
