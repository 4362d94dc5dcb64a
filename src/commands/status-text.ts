import type { ImageStatus } from './image-status.ts';
import type { SignatureStatus } from './signature-status.ts';
import { paint, type Tone, withoutControls } from './terminal.ts';

const toneOfVerdict: Record<ImageStatus['verdict'], Tone> = {
  valid: 'good',
  'not-signed': 'waiting',
  failed: 'bad',
  unknown: 'bad',
  'no-rule': 'quiet',
  denied: 'bad',
  gone: 'bad',
  'not-an-image': 'quiet',
};

const toneOfStatus: Record<SignatureStatus['status'], Tone> = {
  valid: 'good',
  pending: 'waiting',
  failed: 'bad',
  existing: 'quiet',
  audit: 'quiet',
  missing: 'waiting',
  unknown: 'bad',
};

const statusWidth = Math.max(...Object.keys(toneOfStatus).map((status) => status.length));

/** What the command found out, for people: one line a signature, what it waits for, and what to do. */
export function statusLines(reference: string, status: ImageStatus): readonly string[] {
  const { verdict, digest, reason, deniedUntil, signatures, notWanted } = status;
  const found = digest === undefined || reference.includes(digest) ? '' : ` (${digest})`;
  const until = deniedUntil === undefined ? '' : ` (until ${deniedUntil.toISOString()})`;
  const why = reason === undefined ? '' : `: ${withoutControls(reason)}${until}`;
  const lines = [
    `${reference}${found}: ${paint(toneOfVerdict[verdict], verdict)}${why}`,
    ...signatures.flatMap(linesOf),
    ...(verdict === 'no-rule' ? notWanted.map(({ rule, reasons }) => `  "${rule}": ${reasons.join('; ')}`) : []),
  ];
  return signatures.length > 0 ? lines : [...lines, `  next: ${withoutControls(status.nextStep)}`];
}

function linesOf({
  rule,
  key,
  format,
  mode,
  status,
  signature,
  certificateEnds,
  reason,
  nextStep,
}: SignatureStatus): readonly string[] {
  const word = `${paint(toneOfStatus[status], status)}${' '.repeat(statusWidth - status.length)}`;
  const indent = ' '.repeat(statusWidth + 4);
  const certificate = certificateEnds === undefined ? '' : `, its certificate ends ${certificateEnds.toISOString()}`;
  return [
    `  ${word}  rule ${rule}, key ${key}, ${format}, mode ${mode}`,
    ...(signature === undefined ? [] : [`${indent}${signature}${certificate}`]),
    ...(reason === undefined ? [] : [`${indent}${withoutControls(reason)}`]),
    `${indent}next: ${withoutControls(nextStep)}`,
  ];
}
