import type { AutosignError } from '../domain/errors.ts';
import type { ReportedChange, RepositoryReport, SyncReport } from '../triggers/sync-triggers.ts';
import { paint, withoutControls } from './terminal.ts';

export interface TriggersReport extends SyncReport {
  readonly registry: string;
}

/** How many triggers were changed, or would be, and how many repositories failed. */
export function countChanges({ repositories }: Pick<SyncReport, 'repositories'>) {
  const changes = repositories.flatMap((repository) => repository.changes);
  const of = (kind: ReportedChange['kind']) => changes.filter((change) => change.kind === kind).length;
  const failed = repositories.filter(({ error }) => error !== undefined).length;
  return { create: of('create'), update: of('update'), delete: of('delete'), failed };
}

/** As `--json` prints it. */
export function jsonOfReport(report: TriggersReport) {
  const { registry, looked, repositories, error } = report;
  const failure = (cause: AutosignError | undefined) => cause && { code: cause.code, message: cause.message };
  return {
    registry,
    looked,
    counts: countChanges(report),
    repositories: repositories.map((each) => ({ ...each, error: failure(each.error) })),
    error: failure(error),
  };
}

/** For people. */
export function linesOfReport(report: TriggersReport, dryRun: boolean): readonly string[] {
  const { registry, looked, repositories, error } = report;
  const { failed, ...counts } = countChanges(report);
  const numbers = Object.entries(counts).map(([kind, number]) => `${number} to ${kind}`);
  const done = dryRun ? 'nothing is changed by a dry run' : 'done';
  return [
    `${registry}: ${looked} repositories looked at: ${numbers.join(', ')}; ${done}${failed > 0 ? `; ${paint('bad', `${failed} failed`)}` : ''}`,
    ...repositories.flatMap(linesOfRepository),
    ...(error === undefined ? [] : [`  ${paint('bad', 'ended early')}: ${withoutControls(error.message)}`]),
  ];
}

function linesOfRepository({ repository, changes, error }: RepositoryReport): readonly string[] {
  const name = withoutControls(repository);
  return [
    ...changes.map((change) => `  ${paint('good', change.kind)}  ${name}${detailsOf(change)}`),
    ...(error === undefined ? [] : [`  ${paint('bad', 'failed')}  ${name}: ${withoutControls(error.message)}`]),
  ];
}

function detailsOf({ type, tag, fields }: ReportedChange): string {
  const tags = type === undefined ? '' : `: ${type === 'ALL' ? 'all tags' : `tags ${tag}`}`;
  return fields === undefined ? tags : `${tags}; ${fields.join(', ')} differed`;
}
