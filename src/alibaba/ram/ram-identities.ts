import {
  policyOf,
  type RamPolicy,
  type RamRight,
  type Trusted,
  type TrustPolicy,
  trustPolicyOf,
} from './ram-policy.ts';

/** A RAM user or role, and what it needs. */
export interface RamIdentity {
  /** ARN, or words in angle brackets for what the rules do not name. */
  readonly name: string;
  /** Undefined when it needs no right. */
  readonly policy: RamPolicy | undefined;
  /** Undefined for what nobody assumes. */
  readonly trustPolicy: TrustPolicy | undefined;
}

/** Gathers what each of several identities needs; a role that serves for two things gets both. */
export interface IdentityBook {
  grant(name: string, rights: readonly RamRight[]): void;
  /** Lets `by` assume `role`: the right to on one side, the trust on the other. */
  assume(by: string, role: AssumableRole): void;
  /** In the order in which they were first named. */
  identities(): readonly RamIdentity[];
}

interface AssumableRole {
  readonly roleArn: string;
  /** Undefined when none is sent. */
  readonly externalId: string | undefined;
}

interface Needs {
  readonly rights: RamRight[];
  readonly trusted: Trusted[];
}

export function createIdentityBook(): IdentityBook {
  const book = new Map<string, Needs>();

  function needsOf(name: string): Needs {
    const needs = book.get(name) ?? { rights: [], trusted: [] };
    book.set(name, needs);
    return needs;
  }

  return {
    grant: (name, rights) => void needsOf(name).rights.push(...rights),
    assume: (by, { roleArn, externalId }) => {
      needsOf(by).rights.push({ action: 'sts:AssumeRole', resource: roleArn });
      needsOf(roleArn).trusted.push({ principal: by, externalId });
    },
    identities: () =>
      [...book].map(([name, { rights, trusted }]) => ({
        name,
        policy: rights.length === 0 ? undefined : policyOf(rights),
        trustPolicy: trusted.length === 0 ? undefined : trustPolicyOf(trusted),
      })),
  };
}
