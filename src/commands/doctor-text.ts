import type { Area, Finding, Result } from '../doctor/check.ts';
import { paint, type Tone, withoutControls } from './terminal.ts';

const toneOf: Record<Result, Tone> = { ok: 'good', warning: 'waiting', failure: 'bad' };
const titleOf: Record<Area, string> = {
  clock: 'clock',
  credentials: 'credentials',
  role: 'roles',
  key: 'keys',
  certificate: 'certificates',
  redis: 'Redis',
  registry: 'registries',
  events: 'events',
};
const resultWidth = 'warning'.length;
const indent = ' '.repeat(resultWidth + 4);

/** Lines for people, one finding after the other: a title where a new area begins, and what to do below what is wrong. */
export function createFindingLines(): (finding: Finding) => readonly string[] {
  let area: Area | undefined;
  return (finding) => {
    const isNew = finding.area !== area;
    area = finding.area;
    const word = `${paint(toneOf[finding.result], finding.result)}${' '.repeat(resultWidth - finding.result.length)}`;
    return [
      ...(isNew ? [titleOf[finding.area]] : []),
      `  ${word}  ${withoutControls(`${finding.subject}: ${finding.detail}`)}`,
      ...(finding.next === undefined ? [] : [`${indent}next: ${withoutControls(finding.next)}`]),
    ];
  };
}

/** How many of each, at the end. */
export function summaryLine(findings: readonly Finding[]): string {
  const count = (result: Result) => findings.filter((finding) => finding.result === result).length;
  const [failures, warnings] = [count('failure'), count('warning')];
  const plural = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  return `${plural(failures, 'failure')}, ${plural(warnings, 'warning')}, ${count('ok')} ok`;
}
