import type { Format } from '../domain/algorithm.ts';
import type { Key, RuleSet } from '../rules/rule-set.ts';
import { loadTrust, type ReadTextFile } from '../signing/load-trust.ts';
import { type Check, failure, ok, type Verdict, warning } from './check.ts';

export interface CertificateCheckOptions {
  readonly ruleSet: Pick<RuleSet, 'keys' | 'rules'>;
  readonly readTextFile: ReadTextFile;
  readonly now: () => Date;
}

/** Whether the public files of each key that is used are there, fit together, and how long its certificate lasts. */
export function certificateChecks({ ruleSet, readTextFile, now }: CertificateCheckOptions): readonly Check[] {
  return formatsByKey(ruleSet).map(([key, format]) => ({
    area: 'certificate',
    subject: key.name,
    run: async () => {
      const { versions } = await loadTrust(key, format, readTextFile);
      return [verdictOf(key, format, versions[0], now())];
    },
  }));
}

function formatsByKey({ keys, rules }: Pick<RuleSet, 'keys' | 'rules'>): readonly (readonly [Key, Format])[] {
  const inForce = rules.filter(({ state }) => state !== 'off');
  return [...keys.values()].flatMap((key) => {
    const formats = new Set(inForce.filter((rule) => rule.key === key.name).flatMap((rule) => rule.formats));
    return [...formats].map((format) => [key, format] as const);
  });
}

interface Validity {
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
}

function verdictOf({ name, renewBeforeMs }: Key, format: Format, validity: Validity, now: Date): Verdict {
  const { notBefore, notAfter } = validity;
  if (notBefore === undefined || notAfter === undefined)
    return ok(`${format} needs its public key alone, which is there`);
  const next = `Make a new one with "autosign cert issue ${name}", and name it in certificateChain of the key.`;
  if (now < notBefore) {
    return failure(`its certificate begins on ${notBefore.toISOString()}`, "Look at this machine's clock.");
  }
  if (now >= notAfter) return failure(`its certificate ended on ${notAfter.toISOString()}`, next);
  const detail = `its certificate for ${format} counts until ${notAfter.toISOString()}`;
  return notAfter.getTime() - now.getTime() < renewBeforeMs ? warning(detail, next) : ok(detail);
}
