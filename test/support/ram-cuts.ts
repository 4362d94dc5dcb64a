import type { RamIdentity } from '../../src/alibaba/ram/ram-identities.ts';
import type { RamPolicy, RamStatement, TrustPolicy } from '../../src/alibaba/ram/ram-policy.ts';

/** A set of identities with one thing taken away from one of them. */
export interface Cut {
  /** `<what> of <identity>` */
  readonly name: string;
  readonly identities: readonly RamIdentity[];
  /** What a refusal for the lack of it names: an action. */
  readonly action: string;
}

/**
 * Every way to take one thing away from what is granted: an action of a statement, one of several resources, a statement
 * of a trust policy, one of several principals.
 */
export function cutsOf(identities: readonly RamIdentity[]): readonly Cut[] {
  return identities.flatMap((identity, index) => {
    const replaced = (changed: Partial<RamIdentity>) => identities.with(index, { ...identity, ...changed });
    const policies = (identity.policy === undefined ? [] : policyCuts(identity.policy)).map(
      ({ what, action, document }) => ({ what, action, identities: replaced({ policy: document }) }),
    );
    const trusts = (identity.trustPolicy === undefined ? [] : trustCuts(identity.trustPolicy)).map(
      ({ what, document }) => ({ what, action: 'AssumeRole', identities: replaced({ trustPolicy: document }) }),
    );
    return [...policies, ...trusts].map(({ what, ...rest }) => ({
      ...rest,
      name: `${what} of ${identity.name}`,
    }));
  });
}

function policyCuts(policy: RamPolicy) {
  return policy.Statement.flatMap((statement, index) => {
    const { Action, Resource } = statement;
    const cut = (what: string, action: string, changed: Partial<RamStatement>) => ({
      what,
      action,
      document: { ...policy, Statement: replaceOrDrop(policy.Statement, index, { ...statement, ...changed }) },
    });
    const byAction = Action.map((action) => cut(action, action, { Action: Action.filter((one) => one !== action) }));
    // Each action needs each resource.
    const byResource =
      Resource.length < 2
        ? []
        : Action.flatMap((action) =>
            Resource.map((resource) => ({
              what: `${action} on ${resource}`,
              action,
              document: {
                ...policy,
                Statement: [
                  ...replaceOrDrop(policy.Statement, index, {
                    ...statement,
                    Action: Action.filter((one) => one !== action),
                  }),
                  { ...statement, Action: [action], Resource: Resource.filter((one) => one !== resource) },
                ],
              },
            })),
          );
    return [...byAction, ...byResource];
  });
}

function trustCuts(trust: TrustPolicy) {
  return trust.Statement.flatMap((statement, index) => {
    const { RAM } = statement.Principal;
    return RAM.map((principal) => {
      const others = RAM.filter((one) => one !== principal);
      const rest = trust.Statement.filter((_, at) => at !== index);
      const Statement = others.length === 0 ? rest : [...rest, { ...statement, Principal: { RAM: others } }];
      return { what: `trust in ${principal}`, document: { ...trust, Statement } };
    });
  });
}

function replaceOrDrop(statements: readonly RamStatement[], index: number, changed: RamStatement) {
  return changed.Action.length === 0 ? statements.toSpliced(index, 1) : statements.with(index, changed);
}
