import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Check, type Finding, runChecks } from '../doctor/check.ts';
import { acrChecks } from '../doctor/check-acr.ts';
import { certificateChecks } from '../doctor/check-certificates.ts';
import { clockChecks } from '../doctor/check-clock.ts';
import { eventChecks } from '../doctor/check-events.ts';
import { identityChecks } from '../doctor/check-identity.ts';
import { keyChecks } from '../doctor/check-keys.ts';
import { redisChecks } from '../doctor/check-redis.ts';
import { registryChecks } from '../doctor/check-registries.ts';
import { roleChecks } from '../doctor/check-roles.ts';
import { AutosignError } from '../domain/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { knock } from './doctor-knock.ts';
import { createFindingLines, summaryLine } from './doctor-text.ts';
import { exitCodes } from './exit-codes.ts';
import { type DoctorParts, openDoctor } from './open-doctor.ts';
import { readOptionalQueueSettings } from './settings.ts';
import { printJson, printLines } from './terminal.ts';

export interface DoctorOptions {
  readonly rules: string;
  readonly json?: true;
  readonly live?: string;
  /** In milliseconds, of --live. */
  readonly wait?: number;
  readonly triggers?: true;
}

const waitMsDefault = 60_000;

/** Looks at every link of the chain, prints what it finds as it finds it, and sets the exit code. */
export async function runDoctor({ rules, json, live, wait, triggers }: DoctorOptions): Promise<void> {
  if (live === undefined && (wait !== undefined || triggers)) {
    throw new AutosignError('usage', '--wait and --triggers go with --live.');
  }
  const ruleSet = await loadRuleSet(resolve(rules));
  if (live !== undefined) {
    const { runDoctorLive } = await import('./doctor-live.ts');
    return runDoctorLive(ruleSet, { live, waitMs: wait ?? waitMsDefault, triggers, json });
  }
  const parts = openDoctor(ruleSet, { env: process.env, redisUrl: readOptionalQueueSettings(process.env).redisUrl });
  const findings: Finding[] = [];
  const lines = createFindingLines();
  const tell = (finding: Finding) => {
    findings.push(finding);
    if (json !== true) printLines(lines(finding));
  };
  try {
    await runChecks(checksOf(parts), tell);
  } finally {
    await parts.close();
  }
  if (json) printJson({ findings });
  else printLines([summaryLine(findings)]);
  process.exitCode = findings.some(({ result }) => result === 'failure') ? exitCodes.failed : exitCodes.ok;
}

/** In an order in which what fails first explains what fails after it. */
function checksOf(parts: DoctorParts): readonly Check[] {
  const { ruleSet } = parts;
  const now = () => systemClock.now();
  const readTextFile = (file: string) => readFile(file, 'utf8');
  return [
    ...clockChecks(parts.clocks, now),
    ...(parts.identity === undefined ? [] : identityChecks(parts.identity)),
    ...roleChecks(parts.roles),
    ...keyChecks(parts.keys, now),
    ...certificateChecks({ ruleSet, readTextFile, now }),
    ...redisChecks({ read: parts.redis }),
    ...registryChecks(parts.registries, ruleSet),
    ...acrChecks(parts.instances, ruleSet),
    ...eventChecks({ registries: [...ruleSet.registries.values()], knock }),
  ];
}
