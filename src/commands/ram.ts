import type { RamIdentity } from '../alibaba/ram/ram-identities.ts';
import { planRam, type RamPart } from '../alibaba/ram/ram-plan.ts';
import { type RamRole, ramRoles } from '../alibaba/ram/ram-roles.ts';
import { AutosignError } from '../domain/errors.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { paint, printJson, printLines } from './terminal.ts';

export interface RamPrintOptions {
  readonly rules: string;
  readonly role?: RamRole;
  readonly identity?: string;
  readonly json?: boolean;
}

/** Prints what each part of the service, or one, needs of RAM for these rules. */
export async function printRam({ rules, role, identity, json }: RamPrintOptions): Promise<void> {
  if (identity !== undefined && !/^acs:ram::\d+:(?:user|role)\/[\w.-]{1,64}$/.test(identity)) {
    throw new AutosignError(
      'usage',
      `--identity "${identity}" is not the ARN of a RAM user or role; write acs:ram::<account id>:user/<name> or …:role/<name>`,
    );
  }
  const ruleSet = await loadRuleSet(rules);
  const input = { ruleSet, identityArn: identity };
  const parts = (role === undefined ? ramRoles : [role]).map((name) => withoutExternalIds(planRam(name, input)));
  if (json) return printJson({ parts });
  printLines(parts.flatMap(linesOf));
}

function linesOf({ role, identities, notes }: RamPart): readonly string[] {
  return [
    paint('good', `${role}:`),
    ...identities.flatMap(identityLines),
    ...notes.map((note) => `${paint('waiting', 'note')}: ${note}`),
    '',
  ];
}

function identityLines({ name, policy, trustPolicy }: RamIdentity): readonly string[] {
  const trust =
    trustPolicy === undefined
      ? []
      : [paint('quiet', `trust policy of ${name}, beside what else must stand in it`), format(trustPolicy)];
  return [...trust, ...(policy === undefined ? [] : [paint('quiet', `policy of ${name}`), format(policy)])];
}

function format(document: unknown): string {
  return JSON.stringify(document, null, 2);
}

/** An external id is shared with the account's owner alone. */
function withoutExternalIds(part: RamPart): RamPart {
  return JSON.parse(JSON.stringify(part), (key, value) => (key === 'sts:ExternalId' ? ['<externalId>'] : value));
}
