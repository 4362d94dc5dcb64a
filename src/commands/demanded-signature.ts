import type { Format } from '../domain/algorithm.ts';
import { nextStepOf } from '../domain/errors.ts';
import type { Rule } from '../rules/rule-set.ts';
import type { Examination } from '../signing/examine-image.ts';
import type { IntentOutcome } from '../signing/outcome.ts';
import { statusOfLacking } from './lacking-signature.ts';
import type { SignatureFinding, SignatureStatus, StatusScope } from './signature-status.ts';

type Examined = Extract<Examination, { readonly ended?: undefined }>;

/** Where the signature stands: first what the registry bears, then what the rule, Redis and the queue say. */
export async function signatureStatus(
  { rule, format }: { readonly rule: Rule; readonly format: Format },
  examined: Examined,
  scope: StatusScope,
): Promise<SignatureStatus> {
  const settled = examined.settled.find((each) => each.format === format && each.rules.includes(rule.name));
  const about = { rule: rule.name, key: rule.key, format, mode: rule.mode };
  switch (settled?.status) {
    case 'already-signed':
      return { ...about, ...valid(rule, settled, scope) };
    case 'failed':
      return { ...about, ...unknown(settled, examined) };
    default:
      return { ...about, ...(await statusOfLacking(rule, settled?.reason, scope)) };
  }
}

function valid({ key }: Rule, { artifact, certificateEnds }: IntentOutcome, scope: StatusScope): SignatureFinding {
  const nextStep = stepBeforeEnd(key, certificateEnds, scope);
  return { status: 'valid', nextStep, signature: artifact, certificateEnds };
}

function stepBeforeEnd(name: string, ends: Date | undefined, { ruleSet, keyRing, now }: StatusScope): string {
  const renewBeforeMs = ruleSet.keys.get(name)?.renewBeforeMs ?? 0;
  if (ends === undefined || ends.getTime() - now.getTime() >= renewBeforeMs) return 'Nothing.';
  const key = keyRing.get(name, 'notation');
  const isCurrent = key.state === 'paused' || key.signingKey.trust.versions[0].notAfter?.getTime() === ends.getTime();
  return isCurrent
    ? `Give key ${name} a new certificate ("autosign cert issue") before this one ends; README.md, "Rotation".`
    : 'Nothing: the next reconcile has it signed with the newer certificate of its key.';
}

function unknown({ reason }: IntentOutcome, { failures }: Examined): SignatureFinding {
  const code = failures.find(({ error }) => error.message === reason)?.error.code ?? 'referrers-incomplete';
  return { status: 'unknown', reason, nextStep: nextStepOf(code), code };
}
