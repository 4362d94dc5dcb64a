import type { RamIdentity } from '../../src/alibaba/ram/ram-identities.ts';
import type { RamPolicy, RamStatement, TrustPolicy, TrustStatement } from '../../src/alibaba/ram/ram-policy.ts';

/** A set of identities with one thing taken away from one of them. */
export interface Cut {
  /** `<what> of <identity>` */
  readonly name: string;
  readonly identities: readonly RamIdentity[];
  /** A refusal for the lack of it is of one of these actions. */
  readonly actions: readonly string[];
}

/**
 * Every way to take one thing away from what is granted: an action of a statement, one of several resources, a statement
 * of a trust policy, one of several principals.
 */
export function cutsOf(identities: readonly RamIdentity[]): readonly Cut[] {
  return identities.flatMap((identity, index) => {
    const cuts = [
      ...(identity.policy?.Statement ?? []).flatMap((statement, at) => policyCuts(identity.policy, statement, at)),
      ...(identity.trustPolicy?.Statement ?? []).flatMap((statement, at) =>
        trustCuts(identity.trustPolicy, statement, at),
      ),
    ];
    return cuts.map(({ what, actions, changed }) => ({
      name: `${what} of ${identity.name}`,
      actions,
      identities: identities.with(index, { ...identity, ...changed }),
    }));
  });
}

interface PartCut {
  readonly what: string;
  readonly actions: readonly string[];
  readonly changed: Partial<RamIdentity>;
}

function policyCuts(policy: RamPolicy | undefined, statement: RamStatement, at: number): readonly PartCut[] {
  const { Action, Resource } = statement;
  const changed = (Statement: readonly RamStatement[]) => ({
    policy: Statement.length === 0 ? undefined : { Version: '1' as const, Statement },
  });
  const statements = policy?.Statement ?? [];
  const withoutAction = Action.map((action) => {
    const rest = { ...statement, Action: Action.filter((one) => one !== action) };
    const left = rest.Action.length === 0 ? statements.toSpliced(at, 1) : statements.with(at, rest);
    return { what: action, actions: [action], changed: changed(left) };
  });
  const withoutResource = Resource.map((resource) => {
    const rest = { ...statement, Resource: Resource.filter((one) => one !== resource) };
    return { what: resource, actions: Action, changed: changed(statements.with(at, rest)) };
  });
  return Resource.length < 2 ? withoutAction : [...withoutAction, ...withoutResource];
}

function trustCuts(policy: TrustPolicy | undefined, statement: TrustStatement, at: number): readonly PartCut[] {
  const statements = policy?.Statement ?? [];
  const { RAM } = statement.Principal;
  return RAM.map((principal) => {
    const rest = { ...statement, Principal: { RAM: RAM.filter((one) => one !== principal) } };
    const left = rest.Principal.RAM.length === 0 ? statements.toSpliced(at, 1) : statements.with(at, rest);
    const trustPolicy = left.length === 0 ? undefined : { Version: '1' as const, Statement: left };
    return { what: `trust in ${principal}`, actions: ['sts:AssumeRole'], changed: { trustPolicy } };
  });
}
