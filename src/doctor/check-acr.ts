import type { AcrApi } from '../alibaba/acr-api.ts';
import { getInstance } from '../alibaba/acr-instance.ts';
import { type AcrRepository, listNamespaces, listRepositories } from '../alibaba/acr-repositories.ts';
import { type AcrLifecycleRule, type AcrSyncRule, listLifecycleRules, listSyncRules } from '../alibaba/acr-rules.ts';
import { coversNamespace, coversRepository } from '../rules/match.ts';
import type { Registry, Rule, RuleSet } from '../rules/rule-set.ts';
import { type Check, failure, ok, type Verdict, warning } from './check.ts';

/** An instance of ACR by its OpenAPI. */
export interface AcrProbe {
  readonly registry: Registry;
  readonly api: AcrApi;
  /** Whether signatures in this registry are kept under tags: those of cosign, or where there is no referrers API. */
  readonly writesTags: () => Promise<boolean>;
}

/** What keeps signature tags, in the words of ACR's rules: a regular expression over tags. */
const signatureTags = '^sha256-[0-9a-f]{64}(\\.sig)?$';

// Names of a handful say where to look; thousands would hide the rest of the table.
const namesShown = 5;
const repositoriesMax = 5_000;
const exampleHex = '0123456789abcdef'.repeat(4);
const exampleTags = [`sha256-${exampleHex}`, `sha256-${exampleHex}.sig`];

/** What an instance does by itself that signatures do not survive. */
export function acrChecks(probes: readonly AcrProbe[], { rules }: Pick<RuleSet, 'rules'>): readonly Check[] {
  return probes.map((probe) => ({
    area: 'registry',
    subject: probe.registry.name,
    run: async () => {
      const ours = rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(probe.registry.name));
      const writesTags = await probe.writesTags();
      return [
        await instanceVerdict(probe),
        await immutabilityVerdict(probe, ours, writesTags),
        ...(await lifecycleVerdicts(probe, ours, writesTags)),
        ...(await syncVerdicts(probe, ours, writesTags)),
      ];
    },
  }));
}

async function instanceVerdict({ api }: AcrProbe): Promise<Verdict> {
  const { name, specification, status } = await getInstance(api);
  const detail = `instance ${name}, ${specification}, ${status}`;
  return status === 'RUNNING' ? ok(detail) : failure(detail, 'See the instance in the console: it is not running.');
}

async function immutabilityVerdict({ api }: AcrProbe, ours: readonly Rule[], writesTags: boolean): Promise<Verdict> {
  const immutable = await immutableRepositories(api, ours);
  if (immutable.length === 0) return ok('no covered repository has immutable tags');
  const detail = `tags are immutable in ${shown(immutable)}`;
  return writesTags
    ? warning(
        `${detail}: an image gets its first signature there, and no second one, since a signature tag cannot be pushed again`,
        'Turn immutability off there, or use an instance with the referrers API (made since April 2024) and the format notation.',
      )
    : ok(`${detail}; signatures are referrers and need no tag`);
}

async function immutableRepositories(api: AcrApi, ours: readonly Rule[]): Promise<readonly string[]> {
  const found: string[] = [];
  let looked = 0;
  for await (const namespace of listNamespaces(api)) {
    if (!ours.some((rule) => coversNamespace(rule, namespace.name))) continue;
    for await (const repository of listRepositories(api, namespace.name)) {
      looked += 1;
      if (looked > repositoriesMax) return found;
      const name = nameOf(repository);
      if (repository.tagsAreImmutable && ours.some((rule) => coversRepository(rule, name))) found.push(name);
    }
  }
  return found;
}

async function lifecycleVerdicts(
  { api }: AcrProbe,
  ours: readonly Rule[],
  writesTags: boolean,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for await (const rule of listLifecycleRules(api)) {
    if (!rule.deletesTags || !mayConcern(ours, rule)) continue;
    verdicts.push(lifecycleVerdict(rule, writesTags));
  }
  return verdicts.length > 0 ? verdicts : [ok('no lifecycle rule deletes tags of covered repositories')];
}

function lifecycleVerdict(rule: AcrLifecycleRule, writesTags: boolean): Verdict {
  const where = placeOf(rule);
  const what = `lifecycle rule ${rule.id} deletes tags ${where}`;
  if (keeps(rule.keptTagsPattern)) return ok(`${what} and keeps signature tags`);
  const kept = rule.keptTags === undefined ? '' : `, all but ${rule.keptTags}`;
  const expression = rule.keptTagsPattern === '' ? signatureTags : `(${rule.keptTagsPattern})|(${signatureTags})`;
  const next = `Set the tags that it keeps (TagRegexp) to ${expression}`;
  if (writesTags) return warning(`${what}${kept}: it counts and deletes signature tags like images`, `${next}.`);
  const untold = 'whether what refers to a deleted image goes with it is not documented';
  return ok(`${what}${kept}; signatures are referrers and have no tag (${untold})`);
}

async function syncVerdicts(
  { api }: AcrProbe,
  ours: readonly Rule[],
  writesTags: boolean,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for await (const rule of listSyncRules(api)) {
    if (rule.direction !== 'FROM' || !mayConcern(ours, rule)) continue;
    verdicts.push(syncVerdict(rule, ours, writesTags));
  }
  return verdicts.length > 0 ? verdicts : [ok('no sync rule copies covered repositories to another instance')];
}

function syncVerdict(rule: AcrSyncRule, ours: readonly Rule[], writesTags: boolean): Verdict {
  const what = `sync rule ${rule.name} copies images ${placeOf(rule)} to ${rule.targetInstanceId}`;
  if (writesTags && rule.tagPattern !== '' && !keeps(rule.tagPattern)) {
    return warning(
      `${what} and leaves signature tags behind`,
      `Set its tag filter to (${rule.tagPattern})|(${signatureTags}).`,
    );
  }
  if (ours.some(({ mode }) => mode === 'default')) {
    return warning(
      `${what}; signatures of mode default name this instance, which verifiers there may refuse`,
      'Use mode minimal for what is copied.',
    );
  }
  return writesTags
    ? ok(`${what}, signature tags too`)
    : ok(`${what}; whether referrers are copied is not documented: "autosign verify" there tells`);
}

/** Whether a regular expression takes every tag that a signature may stand under. */
function keeps(pattern: string): boolean {
  if (pattern === '') return false;
  try {
    const expression = new RegExp(pattern);
    return exampleTags.every((tag) => expression.test(tag));
  } catch {
    return false;
  }
}

interface Scoped {
  readonly scope: string;
  readonly namespace: string;
  readonly repository: string;
}

/** A scope that this release does not know may concern everything. */
function mayConcern(ours: readonly Rule[], { scope, namespace, repository }: Scoped): boolean {
  if (scope === 'NAMESPACE') return ours.some((rule) => coversNamespace(rule, namespace));
  if (scope === 'REPO') return ours.some((rule) => coversRepository(rule, `${namespace}/${repository}`));
  return true;
}

function placeOf({ scope, namespace, repository }: Scoped): string {
  if (scope === 'NAMESPACE') return `of namespace ${namespace}`;
  return scope === 'REPO' ? `of ${namespace}/${repository}` : 'of the whole instance';
}

function nameOf({ namespace, name }: AcrRepository): string {
  return `${namespace}/${name}`;
}

function shown(names: readonly string[]): string {
  const more = names.length - namesShown;
  return names.slice(0, namesShown).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
