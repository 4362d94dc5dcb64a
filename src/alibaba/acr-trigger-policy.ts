import type { AcrSource } from '../rules/rule-set.ts';

/**
 * The session policy that narrows the role of a registry to what making triggers needs; JSON. RAM calls triggers web
 * hooks. That cr:ListWebHook cannot be narrowed to a repository is documented (ListRepoTrigger, "Authorization
 * information"), and likewise the lists of namespaces and repositories are left wide.
 */
export function acrTriggerPolicy(
  source: Pick<AcrSource, 'instanceId' | 'region' | 'accountId'>,
  roleArn: string,
): string {
  const account = source.accountId ?? roleArn.split(':')[3] ?? '';
  const repositories = `acs:cr:${source.region}:${account}:repository/${source.instanceId}/*`;
  return JSON.stringify({
    Version: '1',
    Statement: [
      { Effect: 'Allow', Action: ['cr:ListNamespace', 'cr:ListRepository', 'cr:ListWebHook'], Resource: ['*'] },
      {
        Effect: 'Allow',
        Action: ['cr:CreateWebHook', 'cr:UpdateWebHook', 'cr:DeleteWebHook'],
        Resource: [repositories],
      },
    ],
  });
}
