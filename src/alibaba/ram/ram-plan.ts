import type { KmsKeySource, Registry, RuleSet } from '../../rules/rule-set.ts';
import { keyResource } from '../key-session-policy.ts';
import { acrRights } from './acr-rights.ts';
import { type AcrRights, readOnlyActions, signerActions, triggerActions, workerActions } from './ram-actions.ts';
import { createIdentityBook, type IdentityBook, type RamIdentity } from './ram-identities.ts';
import { acrNotes, keyNotes, type RightsAt } from './ram-notes.ts';
import type { RamRole } from './ram-roles.ts';

/** What one part of the service needs of RAM. */
export interface RamPart {
  readonly role: RamRole;
  /** Who runs it first, then the roles that it assumes; empty when it needs no identity at all. */
  readonly identities: readonly RamIdentity[];
  /** What is wider than it must be, and what else to know. */
  readonly notes: readonly string[];
}

export interface RamPlanInput {
  readonly ruleSet: RuleSet;
  /** ARN of the RAM user or role that runs the part; undefined when it is not known. */
  readonly identityArn: string | undefined;
}

/**
 * What `role` needs so that these rules can be carried out, and nothing beside it.
 * @throws AutosignError `rules-invalid` for a key that RAM could not name
 */
export function planRam(role: RamRole, input: RamPlanInput): RamPart {
  switch (role) {
    case 'receiver':
      return {
        role,
        identities: [],
        notes: ['The receiver needs no identity at Alibaba Cloud: `autosign serve` runs without any credential.'],
      };
    case 'worker':
      return planWorker(input);
    case 'triggers':
      return planTriggers(input);
    case 'read-only':
      return planRegistries(role, () => readOnlyActions, input);
  }
}

function planWorker(input: RamPlanInput): RamPart {
  const { ruleSet } = input;
  const book = createIdentityBook();
  const own = ownName('worker', input);
  const keys = [...ruleSet.keys.values()].flatMap(({ name, source }) =>
    source.kind === 'kms' ? [{ name, source }] : [],
  );
  for (const { source } of keys) grantKey(book, own, source);
  grantRegistries(book, own, workerActionsAt, input);
  const notes = [...keys.flatMap(({ name, source }) => keyNotes(name, source)), ...acrNotes(workerActionsAt, ruleSet)];
  return { role: 'worker', identities: book.identities(), notes };
}

/** A worker looks after the triggers of a registry whose rules say what they call. */
function workerActionsAt({ webhook }: Registry): AcrRights {
  return webhook?.trigger === undefined ? workerActions : { ...workerActions, ...triggerActions };
}

function planTriggers(input: RamPlanInput): RamPart {
  const part = planRegistries('triggers', () => triggerActions, input);
  const removing =
    '`triggers sync --remove` looks through the whole instance: in namespaces that no rule covers any more it needs cr:ListRepository and cr:DeleteWebHook as well.';
  return part.identities.length === 0 ? part : { ...part, notes: [...part.notes, removing] };
}

function planRegistries(role: RamRole, table: RightsAt, input: RamPlanInput): RamPart {
  const book = createIdentityBook();
  grantRegistries(book, ownName(role, input), table, input);
  return { role, identities: book.identities(), notes: acrNotes(table, input.ruleSet) };
}

function grantKey(book: IdentityBook, own: string, source: KmsKeySource): void {
  let holder = own;
  for (const role of [...source.via, source]) {
    book.assume(holder, role);
    holder = role.roleArn;
  }
  const resource = keyResource(source);
  book.grant(
    holder,
    signerActions.map((action) => ({ action, resource })),
  );
}

function grantRegistries(book: IdentityBook, own: string, table: RightsAt, { ruleSet }: RamPlanInput): void {
  for (const registry of ruleSet.registries.values()) {
    const { name, acr } = registry;
    if (acr === undefined) continue;
    if (acr.role !== undefined) book.assume(own, acr.role);
    const rules = ruleSet.rules.filter(({ registries }) => registries.includes(name));
    book.grant(acr.role?.roleArn ?? own, acrRights(table(registry), acr, rules));
  }
}

function ownName(role: RamRole, { identityArn }: RamPlanInput): string {
  return identityArn ?? `<ARN of the RAM user or role of the ${role}>`;
}
