import { z } from 'zod';

const OneOrMore = z.union([
  z
    .string()
    .min(1)
    .transform((text) => [text]),
  z.array(z.string().min(1)).min(1),
]);

/**
 * A RAM policy (https://www.alibabacloud.com/help/en/ram/policy-structure-and-syntax). Strict on purpose: a Condition or
 * NotAction that were ignored here would make an emulated permission wider than the real one.
 */
export const PolicyDocument = z.strictObject({
  Version: z.literal('1'),
  Statement: z
    .array(z.strictObject({ Effect: z.enum(['Allow', 'Deny']), Action: OneOrMore, Resource: OneOrMore }))
    .min(1),
});
export type PolicyDocument = z.output<typeof PolicyDocument>;

/** Who may be named by a trust policy: a whole account, one of its users, one of its roles. */
const principalArn = /^acs:ram::\d+:(?:root|user\/[\w.@-]+|role\/[\w.-]+)$/;
const Principals = z.union([
  z
    .string()
    .regex(principalArn)
    .transform((text) => [text]),
  z.array(z.string().regex(principalArn)).min(1),
]);

/** A role's trust policy; of conditions it knows `sts:ExternalId` only. */
export const TrustPolicy = z.strictObject({
  Version: z.literal('1'),
  Statement: z
    .array(
      z.strictObject({
        Effect: z.enum(['Allow', 'Deny']),
        Action: z.literal('sts:AssumeRole'),
        Principal: z.strictObject({ RAM: Principals.optional(), Service: OneOrMore.optional() }),
        Condition: z.strictObject({ StringEquals: z.strictObject({ 'sts:ExternalId': OneOrMore }) }).optional(),
      }),
    )
    .min(1),
});
export type TrustPolicy = z.output<typeof TrustPolicy>;

/** Whether the policies together allow `action` on `resource`: one Allow, and no Deny. */
export function allows(policies: readonly PolicyDocument[], action: string, resource: string): boolean {
  const effects = policies
    .flatMap((policy) => policy.Statement)
    .filter(
      (statement) =>
        // RAM compares actions without case, resources with it.
        statement.Action.some((pattern) => matches(pattern.toLowerCase(), action.toLowerCase())) &&
        statement.Resource.some((pattern) => matches(pattern, resource)),
    )
    .map((statement) => statement.Effect);
  return effects.includes('Allow') && !effects.includes('Deny');
}

/**
 * Whether `policy` lets a RAM user or role assume its role. A statement for a Service never does: only the service itself
 * can use it. `acs:ram::<account>:root` stands for everybody in the account.
 */
export function trusts(policy: TrustPolicy, principalArn: string, externalId: string | undefined): boolean {
  const root = principalArn.replace(/^(acs:ram::\d+:).*$/, '$1root');
  const effects = policy.Statement.filter((statement) => {
    const named = statement.Principal.RAM ?? [];
    const wanted = statement.Condition?.StringEquals['sts:ExternalId'];
    const conditionHolds = wanted === undefined || (externalId !== undefined && wanted.includes(externalId));
    return conditionHolds && (named.includes(principalArn) || named.includes(root));
  }).map((statement) => statement.Effect);
  return effects.includes('Allow') && !effects.includes('Deny');
}

/** `*` stands for any characters, `?` for one. */
export function matches(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 's').test(text);
}
