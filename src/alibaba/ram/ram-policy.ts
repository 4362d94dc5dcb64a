/** A statement of a RAM policy (https://www.alibabacloud.com/help/en/ram/policy-structure-and-syntax). */
export interface RamStatement {
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
}

export interface RamPolicy {
  readonly Version: '1';
  readonly Statement: readonly RamStatement[];
}

/** A statement of a role's trust policy: who may assume it. */
export interface TrustStatement {
  readonly Effect: 'Allow';
  readonly Action: 'sts:AssumeRole';
  readonly Principal: { readonly RAM: readonly string[] };
  readonly Condition?: { readonly StringEquals: { readonly 'sts:ExternalId': readonly string[] } };
}

export interface TrustPolicy {
  readonly Version: '1';
  readonly Statement: readonly TrustStatement[];
}

/** One right: an action, and what it may be done to. */
export interface RamRight {
  readonly action: string;
  readonly resource: string;
}

/** The shortest policy that gives these rights and no others: actions with the same resources share a statement. */
export function policyOf(rights: readonly RamRight[]): RamPolicy {
  const resources = new Map<string, Set<string>>();
  for (const { action, resource } of rights) {
    resources.set(action, (resources.get(action) ?? new Set()).add(resource));
  }
  const statements = new Map<string, RamStatement>();
  for (const [action, set] of resources) {
    // What is on everything needs nothing narrower beside it.
    const Resource = set.has('*') ? ['*'] : [...set].sort();
    const key = JSON.stringify(Resource);
    const Action = [...(statements.get(key)?.Action ?? []), action];
    statements.set(key, { Effect: 'Allow', Action, Resource });
  }
  return { Version: '1', Statement: [...statements.values()] };
}

/** Who may assume a role, and with which external id. */
export interface Trusted {
  readonly principal: string;
  readonly externalId: string | undefined;
}

/** The trust policy for these; those with the same external id share a statement. */
export function trustPolicyOf(trusted: readonly Trusted[]): TrustPolicy {
  const principals = new Map<string | undefined, Set<string>>();
  for (const { principal, externalId } of trusted) {
    principals.set(externalId, (principals.get(externalId) ?? new Set()).add(principal));
  }
  return {
    Version: '1',
    Statement: [...principals].map(([externalId, set]) => ({
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Principal: { RAM: [...set].sort() },
      ...(externalId === undefined ? {} : { Condition: { StringEquals: { 'sts:ExternalId': [externalId] } } }),
    })),
  };
}
