import { nextStepOf } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { SyncReport } from '../triggers/sync-triggers.ts';
import { countChanges } from './triggers-text.ts';

/** Logs what a run over a registry's triggers did and could not do. @returns whether all is as it should be */
export function tellOfSync(registry: string, report: SyncReport, logger: Logger): boolean {
  const { looked, repositories, error } = report;
  for (const { repository, changes, error: why } of repositories) {
    for (const change of changes) logger.info({ registry, repository, ...change }, 'triggers: one was changed');
    if (why !== undefined) {
      const fields = { registry, repository, err: why, nextStep: nextStepOf(why.code) };
      logger.error(fields, 'triggers: those of a repository cannot be set right');
    }
  }
  const { failed, ...counts } = countChanges(report);
  if (error !== undefined) {
    logger.error(
      { registry, err: error, nextStep: nextStepOf(error.code) },
      'triggers: the registry cannot be looked after',
    );
  }
  logger.info({ registry, looked, ...counts, failed }, 'triggers: looked after');
  return error === undefined && failed === 0;
}
